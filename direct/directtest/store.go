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

// The stages that Secrets Manager moves itself.
const (
	stageCurrent  = "AWSCURRENT"
	stagePrevious = "AWSPREVIOUS"
	stagePending  = "AWSPENDING"
)

// A store has secrets by region and name. Its methods other than run require mu.
type store struct {
	mu      sync.Mutex
	secrets map[place]*secret
	denied  map[place]bool
}

type place struct{ region, name string }

type secret struct {
	identity
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

// A payload is the value of a secret, as a string or as bytes.
type payload struct {
	SecretString *string `json:",omitempty"`
	SecretBinary []byte  `json:",omitempty"`
}

// payloadOf returns value as a string if it is valid UTF-8, and otherwise as bytes.
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

// Put stores value as the current version of name, and returns the ID of the version. It
// creates the secret if necessary. Valid UTF-8 becomes a SecretString, and other values
// become a SecretBinary. The name may be an ARN, with or without the suffix. The secret is
// then in the region of the ARN.
func (s *Server) Put(name string, value []byte) (version string) {
	return s.put(name, value, stageCurrent)
}

// Rotate does the two steps of a rotation. It stores value as the version AWSPENDING of
// name. finish moves AWSCURRENT to this version. In between, clients can read both
// versions.
func (s *Server) Rotate(name string, value []byte) (finish func()) {
	id := s.put(name, value, stagePending)
	return func() {
		st := s.store.Get()
		st.mu.Lock()
		defer st.mu.Unlock()
		if found := st.secrets[s.locate(name)]; found != nil {
			found.move(stagePending, "")
			found.move(stageCurrent, id)
		}
	}
}

// Deny makes every operation on name fail with AccessDeniedException until restore is
// called. The secret need not exist.
func (s *Server) Deny(name string) (restore func()) {
	set := func(denied bool) {
		st := s.store.Get()
		st.mu.Lock()
		defer st.mu.Unlock()
		st.denied[s.locate(name)] = denied
	}
	set(true)
	return func() { set(false) }
}

// ARN returns the full ARN of name. It ends with a hyphen and six characters, which depend
// on the name only. The secret need not exist.
func (s *Server) ARN(name string) string {
	where := s.locate(name)
	return arnOf(where.region, where.name)
}

func (s *Server) put(name string, value []byte, stage string) string {
	st, where := s.store.Get(), s.locate(name)
	st.mu.Lock()
	defer st.mu.Unlock()
	found := st.secrets[where]
	if found == nil {
		found = st.create(where)
	}
	found.deleted = time.Time{}
	return found.add(newUUID(), payloadOf(value), stage).id
}

// locate returns the place of a name or an ARN for the methods of Server.
func (s *Server) locate(name string) place {
	if a, err := arn.Parse(name); err == nil {
		return place{a.Region, withoutSuffix(a.Region, strings.TrimPrefix(a.Resource, "secret:"))}
	}
	return place{s.region, name}
}

func (st *store) create(where place) *secret {
	now := time.Now()
	s := &secret{identity: identity{arnOf(where.region, where.name), where.name}, created: now, changed: now}
	st.secrets[where] = s
	return s
}

// resolve returns the place of a name or an ARN in a request to a region. An ARN of another
// account or region has no secret.
func resolve(region, id string) place {
	prefix := fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:", region, Account)
	name, isARN := strings.CutPrefix(id, prefix)
	if !isARN {
		return place{region, id}
	}
	return place{region, withoutSuffix(region, name)}
}

// withoutSuffix removes the suffix that arnOf adds to a name.
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

// add stores a version with stages. The first version of a secret is always current.
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

// move moves stage to the version with this id. Without such a version, no version has
// the stage afterwards. AWSPREVIOUS follows AWSCURRENT.
func (s *secret) move(stage, id string) {
	s.changed = time.Now()
	from := s.staged(stage)
	if from != nil {
		from.stages = slices.DeleteFunc(slices.Clone(from.stages), func(other string) bool { return other == stage })
	}
	if to := s.version(id); to != nil {
		to.stages = append(slices.Clone(to.stages), stage)
	}
	if stage == stageCurrent && from != nil && from.id != id {
		s.move(stagePrevious, from.id)
	}
}

func (s *secret) version(id string) *version {
	return s.find(func(v *version) bool { return v.id == id })
}

func (s *secret) staged(stage string) *version {
	return s.find(func(v *version) bool { return slices.Contains(v.stages, stage) })
}

func (s *secret) find(matches func(*version) bool) *version {
	if i := slices.IndexFunc(s.versions, matches); i >= 0 {
		return s.versions[i]
	}
	return nil
}
