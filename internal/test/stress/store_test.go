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

// A call is one call of a link. The secret that it returns has a label that names the call, so
// a reader knows when the call started.
type call struct {
	id    int
	link  string
	key   *key
	start time.Time
	class hush.Class // of the result
	// The version that it returned, maybe from the copy of the front, and when the store
	// returned this version.
	version int
	read    time.Time
}

func (c *call) label() string { return fmt.Sprintf("call %d of %s", c.id, c.link) }

// A key is the true state of a secret.
type key struct {
	name     string
	versions int   // versions 1 to this number exist
	current  int   // one of them
	history  []int // the current versions, in order
	refused  hush.Class
	running  int // calls in flight
	latest   *call
	copy     frontCopy

	// The state that readers check against.
	refusals  int       // of the store
	forgotten time.Time // the start of the last Forget that has returned
	forgets   int
	denied    time.Time // the start of the last refused call that a reader knows of
}

// A frontCopy is the copy of a key in the front.
type frontCopy struct {
	version int
	at      time.Time // zero means no copy
}

// A store is a Secrets Manager with the Lambda extension in front of it and a spare store
// after it. Each fails on demand. The store records all calls.
type store struct {
	mu       sync.Mutex
	keys     map[string]*key
	calls    []*call
	broken   map[string]hush.Class // by link
	hang     chan struct{}         // waiting calls continue when it is closed
	failures []string              // reported at the end of the test
}

const spareKeys = 3 // keys that the spare has, too

func newStore(keys int) *store {
	s := &store{keys: map[string]*key{}, broken: map[string]hush.Class{}}
	for i := range keys {
		name := fmt.Sprint("key/", i)
		s.keys[name] = &key{name: name, versions: 1, current: 1, history: []int{1}}
	}
	return s
}

func (s *store) failf(format string, args ...any) {
	if len(s.failures) < 20 {
		s.failures = append(s.failures, fmt.Sprintf(format, args...))
	}
}

// link returns one of the three Providers.
func (s *store) link(name string) hush.Provider {
	return hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		c, hang := s.begin(name, ref)
		err := delay(ctx, hang)
		return s.end(c, ref, err)
	})
}

func (s *store) begin(link string, ref hush.Ref) (*call, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &call{id: len(s.calls), link: link, key: s.keys[ref.Name], start: time.Now()}
	s.calls = append(s.calls, c)
	c.key.latest = c
	if c.key.running++; c.key.running > 1 {
		s.failf("%d calls at once for %s", c.key.running, ref.Name)
	}
	return c, s.hang
}

// delay takes as long as a store may take.
func delay(ctx context.Context, hang <-chan struct{}) error {
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
	for i := range spareKeys {
		names = append(names, fmt.Sprint("key/", i))
	}
	return names
}

// front returns its copy, or fetches one. Like the extension, it does not report why the store
// refused.
func (s *store) front(c *call, fresh bool) {
	if fresh {
		c.class = hush.ErrUnsupported
		return
	}
	k, now := c.key, time.Now()
	if k.copy.at.IsZero() || now.Sub(k.copy.at) >= frontTTL {
		if k.refused != 0 || s.broken["store"] != 0 {
			c.class = hush.ErrRefused
			return
		}
		k.copy = frontCopy{k.current, now}
	}
	c.version, c.read = k.copy.version, k.copy.at
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

// labelled returns the latest call that text names, or nil. If link is not empty, it only
// finds calls of this link.
func (s *store) labelled(text, link string) *call {
	var found *call
	for _, m := range label.FindAllStringSubmatch(text, -1) {
		if id, err := strconv.Atoi(m[1]); err == nil && id < len(s.calls) && (link == "" || link == m[2]) && (found == nil || id > found.id) {
			found = s.calls[id]
		}
	}
	return found
}

// disturb changes or breaks the store, or does nothing.
func (s *store) disturb(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[names[rand.N(len(names))]]
	switch rand.N(24) {
	case 0, 1, 2, 3:
		k.versions++
		k.setCurrent(k.versions)
	case 4:
		k.setCurrent(max(k.current-1, 1))
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
		s.endSharedFaults()
	}
}

func (k *key) setCurrent(version int) {
	k.current = version
	k.history = append(k.history, version)
}

// endSharedFaults ends the faults that concern all keys.
func (s *store) endSharedFaults() {
	clear(s.broken)
	if s.hang != nil {
		close(s.hang)
		s.hang = nil
	}
}

// endFaults ends all faults.
func (s *store) endFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endSharedFaults()
	for _, k := range s.keys {
		k.refused = 0
	}
}
