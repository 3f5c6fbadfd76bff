package vaulttest

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A loginMount is a mount of an auth method.
type loginMount struct {
	method string // "approle", "kubernetes" or "jwt"
	roles  map[string]*loginRole
}

type loginRole struct {
	name      string
	opts      TokenOptions
	roleID    string
	secretIDs map[string]int // remaining uses; negative means no limit
	jwts      []string
}

// A wrapped is a secret ID that waits for a request with its wrapping token.
type wrapped struct {
	path    string // the path that issued the secret ID
	data    map[string]any
	created time.Time
	ttl     time.Duration
}

// AppRole adds a role to the approle auth method at mount. It returns the ID of the role
// and a secret ID for any number of logins. opts are the settings of the tokens that a
// login issues; nil means the defaults. AppRole enables the method at mount and replaces an
// existing role.
func (s *Server) AppRole(mount, name string, opts *TokenOptions) (roleID, secretID string) {
	roleID, secretID = newUUID(), newUUID()
	s.addLoginRole(mount, "approle", &loginRole{
		name: name, opts: valueOf(opts), roleID: roleID, secretIDs: map[string]int{secretID: -1},
	})
	return roleID, secretID
}

// Kubernetes adds a role to the kubernetes auth method at mount. A login succeeds with one
// of jwts, which may be any strings. opts and mount are those of AppRole.
func (s *Server) Kubernetes(mount, name string, opts *TokenOptions, jwts ...string) {
	s.addLoginRole(mount, "kubernetes", &loginRole{name: name, opts: valueOf(opts), jwts: jwts})
}

// JWT is Kubernetes for the jwt auth method.
func (s *Server) JWT(mount, name string, opts *TokenOptions, jwts ...string) {
	s.addLoginRole(mount, "jwt", &loginRole{name: name, opts: valueOf(opts), jwts: jwts})
}

func (s *Server) addLoginRole(mount, method string, role *loginRole) {
	st := s.lock()
	defer st.mu.Unlock()
	mount = strings.Trim(mount, "/")
	if m := st.logins[mount]; m == nil || m.method != method {
		st.logins[mount] = &loginMount{method: method, roles: map[string]*loginRole{}}
	}
	st.logins[mount].roles[role.name] = role
}

// WrapSecretID issues a secret ID of an AppRole role and returns a wrapping token for it.
// The secret ID is valid for the given number of uses; zero means no limit. The wrapping
// token can be unwrapped once, within ttl; zero means 5 min. The mount must not be in a
// namespace. WrapSecretID panics if the role does not exist.
func (s *Server) WrapSecretID(mount, role string, uses int, ttl time.Duration) (token string) {
	st := s.lock()
	defer st.mu.Unlock()
	mount = strings.Trim(mount, "/")
	m := st.logins[mount]
	if m == nil || m.roles[role] == nil || m.method != "approle" {
		panic(fmt.Sprintf("vaulttest: no AppRole role %q at %q; call AppRole first", role, mount))
	}
	token, secretID := "hvs."+rand.Text(), newUUID()
	m.roles[role].secretIDs[secretID] = cmp.Or(uses, -1)
	st.wraps[token] = &wrapped{
		path: "auth/" + mount + "/role/" + role + "/secret-id", created: st.now(), ttl: cmp.Or(ttl, 5*time.Minute),
		data: map[string]any{"secret_id": secretID, "secret_id_accessor": newUUID(), "secret_id_num_uses": uses, "secret_id_ttl": 0},
	}
	return token
}

// login responds to auth/<mount>/login.
func (st *state) login(r *request) (*response, *apiError) {
	path := strings.TrimSuffix(strings.TrimPrefix(r.Path, "auth/"), "/login")
	m := st.logins[inNamespace(r.Namespace, path)]
	if m == nil {
		return nil, newError(http.StatusForbidden, "permission denied")
	}
	if r.Method == http.MethodGet && m.method != "approle" {
		return nil, newError(http.StatusMethodNotAllowed, errorList("unsupported operation"))
	}
	authenticate := map[string]func(*loginMount, *request) (*loginRole, *apiError){
		"approle": (*loginMount).appRole, "kubernetes": (*loginMount).kubernetes, "jwt": (*loginMount).jwt,
	}[m.method]
	role, fault := authenticate(m, r)
	if fault != nil {
		return nil, fault
	}
	st.counts.Logins++
	opts := role.opts
	opts.Namespace = r.Namespace
	t := st.issue(opts, r.Path, map[string]string{"role_name": role.name})
	t.login = true
	return &response{Auth: t.auth(t.ttl)}, nil
}

func (m *loginMount) appRole(r *request) (*loginRole, *apiError) {
	roleID, secretID := r.text("role_id"), r.text("secret_id")
	switch {
	case roleID == "":
		return nil, newError(http.StatusInternalServerError, "failed to determine alias name from login request")
	case secretID == "":
		return nil, newError(http.StatusBadRequest, "missing secret_id")
	}
	for _, role := range m.roles {
		if uses := role.secretIDs[secretID]; role.roleID == roleID && uses != 0 {
			role.secretIDs[secretID] = max(uses-1, -1)
			return role, nil
		}
	}
	return nil, newError(http.StatusBadRequest, "invalid role or secret ID")
}

func (m *loginMount) kubernetes(r *request) (*loginRole, *apiError) {
	name, jwt := r.text("role"), r.text("jwt")
	switch role := m.roles[name]; {
	case name == "":
		return nil, newError(http.StatusBadRequest, "missing role")
	case jwt == "":
		return nil, newError(http.StatusBadRequest, "missing jwt")
	case role == nil:
		return nil, newError(http.StatusBadRequest, fmt.Sprintf("invalid role name %q", name))
	case !slices.Contains(role.jwts, jwt):
		return nil, newError(http.StatusForbidden, "permission denied")
	default:
		return role, nil
	}
}

func (m *loginMount) jwt(r *request) (*loginRole, *apiError) {
	name, jwt := r.text("role"), r.text("jwt")
	switch role := m.roles[name]; {
	case name == "":
		return nil, newError(http.StatusBadRequest, "missing role")
	case role == nil:
		return nil, newError(http.StatusBadRequest, fmt.Sprintf("role %q could not be found", name))
	case jwt == "":
		return nil, newError(http.StatusBadRequest, "missing token")
	case !slices.Contains(role.jwts, jwt):
		return nil, newError(http.StatusBadRequest, "error validating token: invalid token")
	default:
		return role, nil
	}
}

// wrap returns the wrapping token in the body or the header, and the wrapped secret ID.
func (st *state) wrap(r *request, missing *apiError) (token string, w *wrapped, fault *apiError) {
	token = cmp.Or(r.text("token"), r.token)
	if token == "" {
		return "", nil, missing
	}
	w = st.wraps[token]
	if w == nil || !st.now().Before(w.created.Add(w.ttl)) {
		return "", nil, newError(http.StatusBadRequest, "wrapping token is not valid or does not exist")
	}
	return token, w, nil
}

// lookupWrap responds to sys/wrapping/lookup. The wrapping token is the only credential.
func (st *state) lookupWrap(r *request) (*response, *apiError) {
	_, w, fault := st.wrap(r, newError(http.StatusForbidden, "error validating wrapping token: token is empty"))
	if fault != nil {
		return nil, fault
	}
	return &response{Data: map[string]any{
		"creation_path": w.path, "creation_time": timestamp(w.created), "creation_ttl": seconds(w.ttl),
	}}, nil
}

// unwrap responds to sys/wrapping/unwrap.
func (st *state) unwrap(r *request) (*response, *apiError) {
	token, w, fault := st.wrap(r, errMissingToken)
	if fault != nil {
		return nil, fault
	}
	delete(st.wraps, token)
	return &response{Data: w.data, MountType: "approle"}, nil
}
