package directtest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// The stages that Secrets Manager moves by itself.
const (
	stageCurrent  = "AWSCURRENT"
	stagePrevious = "AWSPREVIOUS"
	stagePending  = "AWSPENDING"
)

// A store holds secrets by region and name. Its methods but those of Server
// expect mu to be held.
type store struct {
	mu      sync.Mutex
	secrets map[place]*secret
	denied  map[place]bool
}

type place struct{ region, name string }

type secret struct {
	arn      string
	name     string
	created  time.Time
	changed  time.Time
	deleted  time.Time  // when it was marked for deletion
	versions []*version // oldest first
}

type version struct {
	id      string
	value   payload
	created time.Time
	stages  []string
}

// A payload is a secret's value: a string or bytes, one of them set.
type payload struct {
	SecretString *string `json:",omitempty"`
	SecretBinary []byte  `json:",omitempty"`
}

// payloadOf returns value as a string, if it is text, else as bytes.
func payloadOf(value []byte) payload {
	if !utf8.Valid(value) {
		return payload{SecretBinary: slices.Clone(value)}
	}
	text := string(value)
	return payload{SecretString: &text}
}

func (p payload) equal(q payload) bool {
	if p.SecretString == nil || q.SecretString == nil {
		return p.SecretString == q.SecretString && bytes.Equal(p.SecretBinary, q.SecretBinary)
	}
	return *p.SecretString == *q.SecretString
}

// Put stores value as the current version of name, creating the secret if there
// is none, and returns the version's id. Text is stored as SecretString, anything
// else as SecretBinary. A name may be an ARN, with or without the six random
// characters at its end, and is then put in that region.
func (s *Server) Put(name string, value []byte) (version string) {
	return s.put(name, value, stageCurrent)
}

// Rotate does the two halves of a rotation: it stores value as version AWSPENDING
// of name at once, and moves AWSCURRENT to it when finish is called. Between the
// two, both are there to be read.
func (s *Server) Rotate(name string, value []byte) (finish func()) {
	id := s.put(name, value, stagePending)
	return func() {
		s.store.Get().mu.Lock()
		defer s.store.Get().mu.Unlock()
		if held := s.store.Get().find(s.locate(name)); held != nil {
			held.move(stagePending, "")
			held.move(stageCurrent, id)
		}
	}
}

// Deny makes every operation on name an AccessDeniedException, whether there is
// such a secret or not, until restore is called.
func (s *Server) Deny(name string) (restore func()) {
	where := s.locate(name)
	set := func(denied bool) {
		s.store.Get().mu.Lock()
		defer s.store.Get().mu.Unlock()
		if s.store.Get().denied == nil {
			s.store.Get().denied = map[place]bool{}
		}
		s.store.Get().denied[where] = denied
	}
	set(true)
	return func() { set(false) }
}

// ARN returns the full ARN of name, which ends in a hyphen and six characters
// that depend on the name alone, whether there is such a secret or not.
func (s *Server) ARN(name string) string {
	where := s.locate(name)
	return arnOf(where.region, where.name)
}

func (s *Server) put(name string, value []byte, stage string) string {
	where := s.locate(name)
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	held := s.store.Get().find(where)
	if held == nil {
		held = s.store.Get().create(where)
	}
	held.deleted = time.Time{}
	return held.add(newUUID(), payloadOf(value), stage).id
}

// locate returns where the helpers of a Server keep name.
func (s *Server) locate(name string) place {
	if a, err := arn.Parse(name); err == nil {
		return place{a.Region, withoutSuffix(a.Region, strings.TrimPrefix(a.Resource, "secret:"))}
	}
	return place{s.region, name}
}

func (st *store) find(where place) *secret { return st.secrets[where] }

func (st *store) create(where place) *secret {
	if st.secrets == nil {
		st.secrets = map[place]*secret{}
	}
	now := time.Now()
	held := &secret{arn: arnOf(where.region, where.name), name: where.name, created: now, changed: now}
	st.secrets[where] = held
	return held
}

// resolve returns where id, a name or an ARN, is when asked in region. Another
// account's or another region's ARN is nowhere.
func resolve(region, id string) place {
	prefix := fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:", region, Account)
	name, isARN := strings.CutPrefix(id, prefix)
	if !isARN {
		return place{region, id}
	}
	return place{region, withoutSuffix(region, name)}
}

// withoutSuffix cuts the hyphen and six characters off a name from an ARN, if they
// are the ones that we made.
func withoutSuffix(region, name string) string {
	if cut := len(name) - len("-123456"); cut > 0 && strings.HasSuffix(arnOf(region, name[:cut]), ":"+name) {
		return name[:cut]
	}
	return name
}

func arnOf(region, name string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	sum := sha256.Sum256([]byte(name))
	suffix := make([]byte, 6)
	for i := range suffix {
		suffix[i] = letters[int(sum[i])%len(letters)]
	}
	return fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:%s-%s", region, Account, name, suffix)
}

// add stores a version with stages. The first version of a secret is current,
// whatever the stages say.
func (s *secret) add(id string, value payload, stages ...string) *version {
	added := &version{id: id, value: value, created: time.Now()}
	if len(s.versions) == 0 && !slices.Contains(stages, stageCurrent) {
		stages = append(slices.Clone(stages), stageCurrent)
	}
	s.versions = append(s.versions, added)
	for _, stage := range stages {
		s.move(stage, id)
	}
	return added
}

// move takes stage from the version that has it and gives it to the one with that
// id, if there is one. AWSPREVIOUS follows AWSCURRENT.
func (s *secret) move(stage, id string) {
	s.changed = time.Now()
	from := s.staged(stage)
	if from != nil {
		from.stages = slices.DeleteFunc(slices.Clone(from.stages), func(held string) bool { return held == stage })
	}
	if to := s.version(id); to != nil {
		to.stages = append(slices.Clone(to.stages), stage)
	}
	if stage == stageCurrent && from != nil && from.id != id {
		s.move(stagePrevious, from.id)
	}
}

func (s *secret) version(id string) *version {
	return s.first(func(v *version) bool { return v.id == id })
}

func (s *secret) staged(stage string) *version {
	return s.first(func(v *version) bool { return slices.Contains(v.stages, stage) })
}

func (s *secret) first(like func(*version) bool) *version {
	if i := slices.IndexFunc(s.versions, like); i >= 0 {
		return s.versions[i]
	}
	return nil
}
