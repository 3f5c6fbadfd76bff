package vaulttest

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// defaultTTL is Vault's own: the time to live of what asks for none, and the
// longest that anything can have.
const defaultTTL = 768 * time.Hour

// An Engine is what a mount of secrets is.
type Engine string

// The engines. The two that lease answer GET <mount>/creds/<role>.
const (
	KV1      Engine = "kv version 1"
	KV2      Engine = "kv version 2"
	Database Engine = "database"
	AWS      Engine = "aws"
)

// A store holds all that the server knows. Its methods but those that say
// otherwise expect mu to be held.
type store struct {
	now func() time.Time

	mu      sync.Mutex
	sealed  bool
	standby []*string // addresses to go to; the last one counts
	mounts  map[string]*mount
	logins  map[string]*loginMount
	tokens  map[string]*token
	wraps   map[string]*wrapped
	leases  map[string]*lease
	denied  map[string]int // by path, how often
	counts  Counts
	root    string
}

// A mount is a mount of secrets. Of the maps, the one of its engine is used.
type mount struct {
	path   string // without slashes at its ends, the namespace in front
	engine Engine
	kv     map[string]*secret
	roles  map[string]*LeaseOptions
}

// Counts are the numbers of what the server did. What it refused is in none.
type Counts struct {
	Logins        int // tokens given for logins
	TokensRenewed int
	LeasesIssued  int // leases given
	LeasesRenewed int // leases renewed
	LeasesRevoked int // leases ended before their time: by a call, by the test, or with their token
	LeasesExpired int // leases ended by the clock
}

// Counts returns what the server did so far.
func (s *Server) Counts() Counts {
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	s.store.Get().sweep()
	return s.store.Get().counts
}

func newStore(now func() time.Time) *store {
	if now == nil {
		now = time.Now
	}
	st := &store{
		now: now, mounts: map[string]*mount{}, logins: map[string]*loginMount{}, tokens: map[string]*token{},
		wraps: map[string]*wrapped{}, leases: map[string]*lease{}, denied: map[string]int{},
	}
	st.mount("secret", KV2)
	st.root = st.issue(TokenOptions{Policies: []string{"root"}}, "auth/token/root", nil).id
	return st
}

// Mount mounts engine at path, which may have slashes. It replaces what is there.
func (s *Server) Mount(path string, engine Engine) {
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	s.store.Get().mount(path, engine)
}

func (st *store) mount(path string, engine Engine) {
	path = strings.Trim(path, "/")
	st.mounts[path] = &mount{path: path, engine: engine, kv: map[string]*secret{}, roles: map[string]*LeaseOptions{}}
}

// mounted returns the mount at path. Its lack is a mistake of the test's.
func (st *store) mounted(path string, engines ...Engine) *mount {
	held := st.mounts[strings.Trim(path, "/")]
	for _, engine := range engines {
		if held != nil && held.engine == engine {
			return held
		}
	}
	panic(fmt.Sprintf("vaulttest: %q is no such mount: Mount comes first", path))
}

// route returns the mount that path, namespace and all, is below, and the rest of
// the path: of several mounts the longest.
func (st *store) route(path string) (found *mount, rest string) {
	for at, held := range st.mounts {
		below, ok := strings.CutPrefix(path+"/", at+"/")
		if ok && (found == nil || len(at) > len(found.path)) {
			found, rest = held, strings.TrimSuffix(below, "/")
		}
	}
	return found, rest
}

// Deny makes reads of name below mount a denial of policy to every token but the
// root's, whether there is such a secret or not, until restore is called. Without
// a name, it denies all of the mount, which also ends the right to ask what the
// mount is.
func (s *Server) Deny(mount, name string) (restore func()) {
	mount = strings.Trim(mount, "/")
	switch {
	case name == "":
		return s.DenyPath(mount + "/*")
	case s.engine(mount) == KV2:
		return s.DenyPath(mount + "/data/" + name)
	case s.engine(mount) == KV1:
		return s.DenyPath(mount + "/" + name)
	}
	return s.DenyPath(mount + "/creds/" + name)
}

func (s *Server) engine(mount string) Engine {
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	return s.store.Get().mounted(mount, KV1, KV2, Database, AWS).engine
}

// DenyPath makes calls of path, as Call has it, with the namespace in front, a
// denial of policy to every token but the root's, until restore is called. A star
// at its end denies all that begins so. Without one of these, a token has every
// right in its namespace. (The default policy of a real server allows a token what
// concerns itself, renewing a lease and unwrapping, but not to revoke a lease:
// DenyPath("sys/leases/revoke").)
func (s *Server) DenyPath(path string) (restore func()) {
	add := func(n int) {
		s.store.Get().mu.Lock()
		defer s.store.Get().mu.Unlock()
		s.store.Get().denied[path] += n
	}
	add(1)
	return sync.OnceFunc(func() { add(-1) })
}

// denies reports whether a policy denies path to holder.
func (st *store) denies(holder *token, path string) bool {
	if holder.root() {
		return false
	}
	if !within(path, holder.namespace) {
		return true
	}
	for pattern, times := range st.denied {
		prefix, glob := strings.CutSuffix(pattern, "*")
		if times > 0 && (path == pattern || glob && strings.HasPrefix(path, prefix)) {
			return true
		}
	}
	return false
}

// within reports whether path is namespace or below it.
func within(path, namespace string) bool {
	return namespace == "" || strings.HasPrefix(path+"/", namespace+"/")
}

// Seal makes every answer that of a sealed server, until Unseal. Nothing is lost.
func (s *Server) Seal() { s.store.Get().seal(true) }

// Unseal ends what Seal began.
func (s *Server) Unseal() { s.store.Get().seal(false) }

// seal takes mu.
func (st *store) seal(sealed bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.sealed = sealed
}
