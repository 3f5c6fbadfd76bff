package stress_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hush-secrets/hush"
)

// A call is one call of a link, as the label of its answer names it: so every
// answer tells when it was asked for, and by whom.
type call struct {
	id    int
	link  string
	key   *key
	began time.Time
	class hush.Class // what came of it
	// What it brought, which may come from the front's copy, and when the store
	// gave that.
	version int
	read    time.Time
}

func (c *call) label() string { return fmt.Sprintf("call %d of %s", c.id, c.link) }

// A key is a secret as it really is.
type key struct {
	name    string
	made    int   // its versions are 1 to made
	current int   // one of them
	history []int // what was current, in order
	refused hush.Class
	running int // calls under way
	latest  *call
	copied  copied

	// What readers may rely on.
	refusals  int       // that the store has made
	forgotten time.Time // the start of the last Forget that has returned
	forgets   int
	denied    time.Time // the start of the last call whose refusal a reader has got
}

// copied is what the front has of a key.
type copied struct {
	version int
	at      time.Time // zero: nothing
}

// A store is Secrets Manager, the Lambda extension before it and a spare behind
// it, all of which fail as they are told, and remembers all that it was asked.
type store struct {
	mu     sync.Mutex
	keys   map[string]*key
	calls  []*call
	broken map[string]hush.Class // by link
	hang   chan struct{}         // calls that wait go on when it is closed
	faults []string              // that the test is to report
}

const spares = 3 // of the keys are in the spare, too

func newStore(keys int) *store {
	s := &store{keys: map[string]*key{}, broken: map[string]hush.Class{}}
	for i := range keys {
		name := fmt.Sprint("key/", i)
		s.keys[name] = &key{name: name, made: 1, current: 1, history: []int{1}}
	}
	return s
}

func (s *store) fault(format string, args ...any) {
	if len(s.faults) < 20 {
		s.faults = append(s.faults, fmt.Sprintf(format, args...))
	}
}

// link returns the Provider that is one of the three.
func (s *store) link(name string) hush.Provider {
	return hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		c, hang := s.begin(name, ref)
		err := dawdle(ctx, hang)
		return s.end(c, ref, err)
	})
}

func (s *store) begin(link string, ref hush.Ref) (*call, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &call{id: len(s.calls), link: link, key: s.keys[ref.Name], began: time.Now()}
	s.calls = append(s.calls, c)
	c.key.latest = c
	if c.key.running++; c.key.running > 1 {
		s.fault("%d calls at once for %s", c.key.running, ref.Name)
	}
	return c, s.hang
}

// dawdle takes as long as a store may.
func dawdle(ctx context.Context, hang <-chan struct{}) error {
	timer := time.NewTimer(rand.N(2 * time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	if hang == nil {
		return nil
	}
	select {
	case <-hang:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *store) end(c *call, ref hush.Ref, err error) (hush.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.key.running--
	_, fresh := ref.Freshness()
	switch {
	case err != nil:
		c.class = hush.ErrCanceled
		return hush.Secret{}, hush.NewError(c.link, ref, c.class, err)
	case s.broken[c.link] != 0:
		c.class = s.broken[c.link]
	case c.link == "front":
		s.front(c, fresh)
	case c.link == "spare":
		if c.class = hush.ErrNotFound; slices.Contains(spareNames(), ref.Name) {
			c.class = 0
		}
	default:
		c.version, c.read, c.class = c.key.current, time.Now(), c.key.refused
	}
	if c.class != 0 {
		if c.link == "store" && (c.class == hush.ErrDenied || c.class == hush.ErrNotFound) {
			c.key.refusals++
		}
		return hush.Secret{}, hush.NewError(c.link, ref, c.class, errors.New(c.label()))
	}
	return c.secret(), nil
}

func spareNames() (names []string) {
	for i := range spares {
		names = append(names, fmt.Sprint("key/", i))
	}
	return names
}

// front answers from its copy, which it has for a time, or fetches one; why the
// store refused it cannot say.
func (s *store) front(c *call, fresh bool) {
	if fresh {
		c.class = hush.ErrUnsupported
		return
	}
	k, now := c.key, time.Now()
	if k.copied.at.IsZero() || now.Sub(k.copied.at) >= frontTTL {
		if k.refused != 0 || s.broken["store"] != 0 {
			c.class = hush.ErrRefused
			return
		}
		k.copied = copied{k.current, now}
	}
	c.version, c.read = k.copied.version, k.copied.at
}

func (c *call) secret() hush.Secret {
	secret := hush.Secret{Value: hush.NewValue([]byte("spare of " + c.key.name)), Stages: []string{c.label()}}
	if c.link != "spare" {
		secret.Value = hush.NewValue(fmt.Appendf(nil, "%s version %d", c.key.name, c.version))
		secret.Version = fmt.Sprint("v", c.version)
		secret.Created = time.Unix(int64(c.version), 0)
	}
	return secret
}

var label = regexp.MustCompile(`call (\d+) of (\w+)`)

// labelled returns the latest call that text names, or nil. A chain may call a link
// that its breaker holds back last. With link, only calls of this link count.
func (s *store) labelled(text, link string) *call {
	var found *call
	for _, m := range label.FindAllStringSubmatch(text, -1) {
		if id, err := strconv.Atoi(m[1]); err == nil && id < len(s.calls) && (link == "" || link == m[2]) && (found == nil || id > found.id) {
			found = s.calls[id]
		}
	}
	return found
}

// disturb does one of the things that happen to a store, or nothing.
func (s *store) disturb(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[names[rand.N(len(names))]]
	switch rand.N(24) {
	case 0, 1, 2, 3:
		k.made++
		k.turn(k.made)
	case 4:
		k.turn(max(k.current-1, 1))
	case 5:
		k.refused = hush.ErrDenied
	case 6:
		k.refused = hush.ErrNotFound
	case 7, 8, 9:
		for _, k := range s.keys {
			k.refused = 0
		}
	case 10:
		outages := []hush.Class{hush.ErrUnavailable, hush.ErrThrottled, hush.ErrUnauthenticated}
		s.broken["store"] = outages[rand.N(len(outages))]
	case 11:
		s.broken["front"] = []hush.Class{hush.ErrUnavailable, hush.ErrRefused, hush.ErrThrottled}[rand.N(3)]
	case 12:
		if s.hang == nil {
			s.hang = make(chan struct{})
		}
	case 13, 14:
		s.mend()
	}
}

func (k *key) turn(version int) {
	k.current = version
	k.history = append(k.history, version)
}

// mend ends the faults that are everybody's.
func (s *store) mend() {
	clear(s.broken)
	if s.hang != nil {
		close(s.hang)
		s.hang = nil
	}
}

// heal ends all faults.
func (s *store) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mend()
	for _, k := range s.keys {
		k.refused = 0
	}
}
