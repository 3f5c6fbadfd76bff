package vaulttest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// A loginMount is a mount of an auth method.
type loginMount struct {
	method string // "approle", "kubernetes", "jwt", "aws"
	roles  map[string]*role
}

type role struct {
	name      string
	opts      TokenOptions
	roleID    string
	secretIDs map[string]int // uses left; below 0: any number
	jwts      map[string]bool
	accept    func(AWSLogin) bool
}

// An AWSLogin is the request to AWS that a client signed for a login, as the
// server would send it.
type AWSLogin struct {
	Method string
	URL    *url.URL
	Header http.Header
	Body   string
}

// AppRole makes a role of the auth method approle at mount, which it enables
// there, and returns the role's id and a secret id that is good for any number of
// logins. opts are the settings of the tokens that logins give; nil is the
// default. It replaces the role of that name.
func (s *Server) AppRole(mount, name string, opts *TokenOptions) (roleID, secretID string) {
	made := s.role(mount, "approle", name, opts, func(r *role) {
		r.roleID, r.secretIDs = newUUID(), map[string]int{}
	})
	return made.roleID, s.SecretID(mount, name, 0)
}

// SecretID returns another secret id of an AppRole, good for as many logins as
// uses says, 0 being any number.
func (s *Server) SecretID(mount, name string, uses int) string {
	if uses == 0 {
		uses = -1
	}
	made := newUUID()
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	s.store.Get().loginRole(mount, name).secretIDs[made] = uses
	return made
}

// RevokeSecretIDs ends every secret id of an AppRole.
func (s *Server) RevokeSecretIDs(mount, name string) {
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	clear(s.store.Get().loginRole(mount, name).secretIDs)
}

// Kubernetes makes a role of the auth method kubernetes at mount, which it enables
// there, that jwts can log in to, with the settings of AppRole. A service
// account's token may be any string.
func (s *Server) Kubernetes(mount, name string, opts *TokenOptions, jwts ...string) {
	s.role(mount, "kubernetes", name, opts, func(r *role) { r.allow(jwts) })
}

// JWT is Kubernetes for the auth method jwt.
func (s *Server) JWT(mount, name string, opts *TokenOptions, jwts ...string) {
	s.role(mount, "jwt", name, opts, func(r *role) { r.allow(jwts) })
}

// AWS makes a role of the auth method aws, of type iam, at mount, which it enables
// there, with the settings of AppRole. A login must have the form that a server
// asks for, and accept must say yes to it, if it is not nil. Nothing is sent to
// AWS. accept must not call the Server.
func (s *Server) AWS(mount, name string, opts *TokenOptions, accept func(AWSLogin) bool) {
	s.role(mount, "aws", name, opts, func(r *role) { r.accept = accept })
}

func (r *role) allow(jwts []string) {
	r.jwts = map[string]bool{}
	for _, jwt := range jwts {
		r.jwts[jwt] = true
	}
}

func (s *Server) role(mount, method, name string, opts *TokenOptions, with func(*role)) *role {
	if opts == nil {
		opts = &TokenOptions{}
	}
	made := &role{name: name, opts: *opts}
	with(made)
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	mount = strings.Trim(mount, "/")
	held := s.store.Get().logins[mount]
	if held == nil || held.method != method {
		held = &loginMount{method: method, roles: map[string]*role{}}
		s.store.Get().logins[mount] = held
	}
	held.roles[name] = made
	return made
}

// loginRole returns a role of approle. Its lack is a mistake of the test's.
func (st *store) loginRole(mount, name string) *role {
	if held := st.logins[strings.Trim(mount, "/")]; held != nil && held.method == "approle" && held.roles[name] != nil {
		return held.roles[name]
	}
	panic(fmt.Sprintf("vaulttest: %q has no role %q: AppRole comes first", mount, name))
}

// login answers auth/<mount>/login.
func (st *store) login(r *request) (*answer, *fault) {
	at := strings.TrimSuffix(strings.TrimPrefix(r.Path, "auth/"), "/login")
	held := st.logins[below(r.Namespace, at)]
	if held == nil {
		return nil, refuse(http.StatusForbidden, "permission denied")
	}
	if r.Method == http.MethodGet && held.method != "approle" {
		return nil, refuse(http.StatusMethodNotAllowed, multiple("unsupported operation"))
	}
	check := map[string]func(*loginMount, *request) (*role, *fault){
		"approle": (*loginMount).appRole, "kubernetes": (*loginMount).kubernetes, "jwt": (*loginMount).jwt, "aws": (*loginMount).aws,
	}[held.method]
	found, fault := check(held, r)
	if fault != nil {
		return nil, fault
	}
	st.counts.Logins++
	opts := found.opts
	opts.Namespace = r.Namespace
	made := st.issue(opts, r.Path, map[string]string{"role_name": found.name})
	made.login = true
	return &answer{Auth: made.auth(made.ttl)}, nil
}

func (m *loginMount) appRole(r *request) (*role, *fault) {
	roleID, secretID := r.text("role_id"), r.text("secret_id")
	switch {
	case roleID == "":
		return nil, refuse(http.StatusInternalServerError, "failed to determine alias name from login request")
	case secretID == "":
		return nil, refuse(http.StatusBadRequest, "missing secret_id")
	}
	for _, found := range m.roles {
		if left := found.secretIDs[secretID]; found.roleID == roleID && left != 0 {
			found.secretIDs[secretID] = max(left-1, -1)
			return found, nil
		}
	}
	return nil, refuse(http.StatusBadRequest, "invalid role or secret ID")
}

func (m *loginMount) kubernetes(r *request) (*role, *fault) {
	name, jwt := r.text("role"), r.text("jwt")
	switch found := m.roles[name]; {
	case name == "":
		return nil, refuse(http.StatusBadRequest, "missing role")
	case jwt == "":
		return nil, refuse(http.StatusBadRequest, "missing jwt")
	case found == nil:
		return nil, refuse(http.StatusBadRequest, fmt.Sprintf("invalid role name %q", name))
	case !found.jwts[jwt]:
		return nil, refuse(http.StatusForbidden, "permission denied")
	default:
		return found, nil
	}
}

func (m *loginMount) jwt(r *request) (*role, *fault) {
	name, jwt := r.text("role"), r.text("jwt")
	switch found := m.roles[name]; {
	case name == "":
		return nil, refuse(http.StatusBadRequest, "missing role")
	case found == nil:
		return nil, refuse(http.StatusBadRequest, fmt.Sprintf("role %q could not be found", name))
	case jwt == "":
		return nil, refuse(http.StatusBadRequest, "missing token")
	case !found.jwts[jwt]:
		return nil, refuse(http.StatusBadRequest, "error validating token: invalid token")
	default:
		return found, nil
	}
}
