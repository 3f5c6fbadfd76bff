package vaulttest

import (
	"net/http"
	"strings"
	"time"
)

// wrapped is an answer that waits for whoever has its token.
type wrapped struct {
	path    string // that made it
	kind    string // what the mount of path is
	data    map[string]any
	created time.Time
	ttl     time.Duration
}

// Wrap puts data, an answer of path, under a wrapping token that can be unwrapped
// once, within ttl, 0 being five minutes. The path is what sys/wrapping/lookup
// says, such as "auth/approle/role/app/secret-id".
func (s *Server) Wrap(path string, data map[string]any, ttl time.Duration) (token string) {
	kind, _, _ := strings.Cut(path, "/")
	if kind == "auth" {
		kind = "approle"
	}
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	token = "hvs." + random(95)
	s.store.Get().wraps[token] = &wrapped{path, kind, data, s.store.Get().now(), firstOf(ttl, 5*time.Minute)}
	return token
}

// WrapSecretID puts a new secret id of an AppRole, as SecretID makes it, under a
// wrapping token, as Wrap does. It is not for a mount in a namespace, which the
// path that made it would have in front and should not.
func (s *Server) WrapSecretID(mount, role string, uses int, ttl time.Duration) (token string) {
	return s.Wrap("auth/"+strings.Trim(mount, "/")+"/role/"+role+"/secret-id", map[string]any{
		"secret_id": s.SecretID(mount, role, uses), "secret_id_accessor": newUUID(), "secret_id_num_uses": uses, "secret_id_ttl": 0,
	}, ttl)
}

const badWrap = "wrapping token is not valid or does not exist"

// waiting returns what waits under a wrapping token, nil if there is nothing.
func (st *store) waiting(token string) *wrapped {
	held := st.wraps[token]
	if held != nil && !st.now().Before(held.created.Add(held.ttl)) {
		delete(st.wraps, token)
		return nil
	}
	return held
}

// lookupWrap answers sys/wrapping/lookup, for which the wrapping token is enough.
func (st *store) lookupWrap(r *request) (*answer, *fault) {
	token := r.text("token")
	if token == "" {
		token = r.token
	}
	if token == "" {
		return nil, refuse(http.StatusForbidden, "error validating wrapping token: token is empty")
	}
	held := st.waiting(token)
	if held == nil {
		return nil, refuse(http.StatusBadRequest, badWrap)
	}
	return &answer{Data: map[string]any{
		"creation_path": held.path, "creation_time": stamp(held.created), "creation_ttl": seconds(held.ttl),
	}}, nil
}

// unwrap answers sys/wrapping/unwrap: of the token in the body, else of the
// call's own.
func (st *store) unwrap(r *request) (*answer, *fault) {
	token := r.text("token")
	if token == "" {
		token = r.token
	}
	if token == "" {
		return nil, errNoToken
	}
	held := st.waiting(token)
	if held == nil {
		return nil, refuse(http.StatusBadRequest, badWrap)
	}
	delete(st.wraps, token)
	return &answer{Data: held.data, MountType: held.kind}, nil
}
