package vaulttest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hush-secrets/hush/internal/test/breakable"
)

// defaultTTL is the default TTL and the default maximum TTL of Vault.
const defaultTTL = 768 * time.Hour

// An Engine is the secrets engine of a mount.
type Engine string

// The supported engines. Database and AWS return leased credentials at
// <mount>/creds/<role>.
const (
	KV1      Engine = "kv version 1"
	KV2      Engine = "kv version 2"
	Database Engine = "database"
	AWS      Engine = "aws"
)

// Counts are the numbers of completed operations. Failed requests are not counted.
type Counts struct {
	Logins        int // tokens issued by a login
	TokensRenewed int
	LeasesIssued  int
	LeasesRenewed int
	LeasesRevoked int // leases revoked by a request, by a method of Server or with their token
	LeasesExpired int // leases that reached the end of their TTL
}

// state is the data of a Server. The caller of a method holds mu, unless the method's
// comment says otherwise.
type state struct {
	now  func() time.Time
	root string
	http *breakable.Server

	mu       sync.Mutex
	mounts   map[string]*mount
	logins   map[string]*loginMount
	tokens   map[string]*token
	leases   map[string]*lease
	wraps    map[string]*wrapped
	denied   map[string]int // number of active denials by path pattern
	seals    int            // number of active calls of Seal
	failures []*Failure
	hangs    []*hang
	latency  map[Operation]time.Duration
	calls    map[Call]int
	recent   []Call
	counts   Counts
}

// A mount is a mount of a secrets engine.
type mount struct {
	path   string // with the namespace, without slashes at its ends
	engine Engine
	kv     map[string]*secret
	roles  map[string]*leaseRole
}

func newState(now func() time.Time) *state {
	st := &state{
		now: now, mounts: map[string]*mount{}, logins: map[string]*loginMount{}, tokens: map[string]*token{},
		leases: map[string]*lease{}, wraps: map[string]*wrapped{}, denied: map[string]int{},
		latency: map[Operation]time.Duration{}, calls: map[Call]int{},
	}
	st.mount("secret", KV2)
	st.root = st.issue(TokenOptions{Policies: []string{"root"}}, "auth/token/root", nil).id
	return st
}

// lock returns the state with mu held. The caller unlocks it.
func (s *Server) lock() *state {
	st := s.state.Get()
	st.mu.Lock()
	return st
}

// apply calls change with mu held. restore calls undo with mu held, once.
func (s *Server) apply(change, undo func(*state)) (restore func()) {
	locked := func(f func(*state)) {
		st := s.lock()
		defer st.mu.Unlock()
		f(st)
	}
	locked(change)
	return sync.OnceFunc(func() { locked(undo) })
}

// Counts returns the numbers of operations completed since Start.
func (s *Server) Counts() Counts {
	st := s.lock()
	defer st.mu.Unlock()
	st.expire()
	return st.counts
}

// Mount mounts engine at path, which may contain slashes. It replaces an existing mount at
// path and deletes the secrets of that mount.
func (s *Server) Mount(path string, engine Engine) {
	st := s.lock()
	defer st.mu.Unlock()
	st.mount(path, engine)
}

func (st *state) mount(path string, engine Engine) {
	path = strings.Trim(path, "/")
	st.mounts[path] = &mount{path: path, engine: engine, kv: map[string]*secret{}, roles: map[string]*leaseRole{}}
}

// mounted returns the mount at path. It panics if the mount does not exist or has another
// engine, because the test is wrong.
func (st *state) mounted(path string, engines ...Engine) *mount {
	m := st.mounts[strings.Trim(path, "/")]
	if m == nil || !slices.Contains(engines, m.engine) {
		panic(fmt.Sprintf("vaulttest: no mount at %q with an engine of %q; call Mount first", path, engines))
	}
	return m
}

// route returns the longest mount that contains path, and the rest of path. path includes
// the namespace.
func (st *state) route(path string) (longest *mount, rest string) {
	for prefix, m := range st.mounts {
		below, ok := strings.CutPrefix(path+"/", prefix+"/")
		if ok && (longest == nil || len(prefix) > len(longest.path)) {
			longest, rest = m, strings.TrimSuffix(below, "/")
		}
	}
	return longest, rest
}

// Deny makes reads of name below mount fail with a policy error, until restore is called.
// It affects every token except the root token. The secret need not exist. An empty name
// denies the whole mount, including requests for the engine of the mount.
func (s *Server) Deny(mount, name string) (restore func()) {
	mount = strings.Trim(mount, "/")
	if name == "" {
		return s.DenyPath(mount + "/*")
	}
	st := s.lock()
	engine := st.mounted(mount, KV1, KV2, Database, AWS).engine
	st.mu.Unlock()
	switch engine {
	case KV1:
		return s.DenyPath(mount + "/" + name)
	case KV2:
		return s.DenyPath(mount + "/data/" + name)
	}
	return s.DenyPath(mount + "/creds/" + name)
}

// DenyPath makes requests for path fail with a policy error, until restore is called. It
// affects every token except the root token. path is a Call.Path with the namespace in
// front. A path that ends in "*" denies every path with that prefix.
//
// All other requests of a token in its namespace are allowed. The default policy of a real
// server also allows a token to look up, renew and revoke itself, to renew leases and to
// unwrap. It does not allow a token to revoke leases: use DenyPath("sys/leases/revoke").
func (s *Server) DenyPath(path string) (restore func()) {
	return s.apply(func(st *state) { st.denied[path]++ }, func(st *state) { st.denied[path]-- })
}

// denies reports whether a policy denies path to holder.
func (st *state) denies(holder *token, path string) bool {
	if holder.isRoot() {
		return false
	}
	if holder.namespace != "" && !strings.HasPrefix(path+"/", holder.namespace+"/") {
		return true
	}
	for pattern, denials := range st.denied {
		prefix, glob := strings.CutSuffix(pattern, "*")
		if denials > 0 && (path == pattern || glob && strings.HasPrefix(path, prefix)) {
			return true
		}
	}
	return false
}
