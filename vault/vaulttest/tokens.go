package vaulttest

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"time"
)

// TokenOptions are the settings of a token. The zero value means a renewable token with
// Vault's default TTL.
type TokenOptions struct {
	// TTL is the TTL of the token, in whole seconds. A renewal without an increment starts
	// it again. Zero means 768 h.
	TTL time.Duration

	// MaxTTL is the time from issue after which the token cannot be renewed. Zero means
	// 768 h.
	MaxTTL time.Duration

	// Period makes the token periodic: each renewal sets its TTL to Period, without a
	// maximum. Zero means not periodic.
	Period time.Duration

	// NotRenewable makes renewals fail.
	NotRenewable bool

	// Policies are the names of the token's policies in addition to "default". A name has
	// no effect on what the token may read. "root" makes a root token, which never expires.
	Policies []string

	// Uses is the number of requests that the token is valid for. Zero means no limit.
	Uses int

	// Namespace is the path of the token's namespace. The token is valid in the namespace
	// and below it. A login ignores it and issues a token for the namespace of the request.
	Namespace string
}

type token struct {
	id, accessor string
	namespace    string
	path         string // the path that issued it
	policies     []string
	meta         map[string]string
	issued       time.Time
	ttl          time.Duration // at issue
	expires      time.Time     // zero means never
	opts         TokenOptions
	uses         int // remaining uses; zero means no limit
	login        bool
}

func (t *token) isRoot() bool { return slices.Contains(t.policies, "root") }

// Token issues a token. Nil opts means the defaults.
func (s *Server) Token(opts *TokenOptions) string {
	st := s.lock()
	defer st.mu.Unlock()
	return st.issue(valueOf(opts), "auth/token/create", nil).id
}

// Revoke revokes token and its leases.
func (s *Server) Revoke(token string) {
	st := s.lock()
	defer st.mu.Unlock()
	st.revokeToken(st.tokens[token])
}

// RevokeLogins revokes all tokens that a login issued, with their leases. It returns the
// number of these tokens.
func (s *Server) RevokeLogins() int {
	st := s.lock()
	defer st.mu.Unlock()
	return st.revokeTokens(func(t *token) bool { return t.login })
}

// RevokeAll removes all leases, all wrapped secret IDs and all tokens except the root
// token, like a restore from an older snapshot.
func (s *Server) RevokeAll() {
	st := s.lock()
	defer st.mu.Unlock()
	st.revokeTokens(func(t *token) bool { return !t.isRoot() })
	for id := range st.leases {
		st.revoke(id)
	}
	clear(st.wraps)
}

// revokeTokens revokes the tokens that match, and returns their number.
func (st *state) revokeTokens(match func(*token) bool) (revoked int) {
	st.expire()
	for _, t := range st.tokens {
		if match(t) {
			st.revokeToken(t)
			revoked++
		}
	}
	return revoked
}

// revokeToken removes a token and its leases. t may be nil.
func (st *state) revokeToken(t *token) {
	if t == nil {
		return
	}
	delete(st.tokens, t.id)
	for id, l := range st.leases {
		if l.holder == t {
			st.revoke(id)
		}
	}
}

// lookup returns the valid token with the given ID, or nil.
func (st *state) lookup(id string) *token {
	t := st.tokens[id]
	if t == nil || t.expires.IsZero() || st.now().Before(t.expires) {
		return t
	}
	st.revokeToken(t)
	return nil
}

// issue adds a token.
func (st *state) issue(opts TokenOptions, path string, meta map[string]string) *token {
	t := &token{
		id: "hvs." + rand.Text()[:24], accessor: rand.Text()[:24], namespace: strings.Trim(opts.Namespace, "/"), path: path,
		policies: slices.Clone(opts.Policies), meta: meta, issued: st.now(), opts: opts, uses: opts.Uses,
	}
	if !t.isRoot() {
		t.policies = append(t.policies, "default")
		slices.Sort(t.policies)
		t.ttl = t.extend(t.issued, 0)
	}
	st.tokens[t.id] = t
	return t
}

// extend sets the expiry to increment from now, within the maximum TTL, and returns the new
// TTL. A zero increment means the TTL of the token. A periodic token ignores both.
func (t *token) extend(now time.Time, increment time.Duration) (ttl time.Duration) {
	ttl = t.opts.Period
	if ttl == 0 {
		ttl = min(cmp.Or(increment, t.opts.TTL, defaultTTL), t.issued.Add(cmp.Or(t.opts.MaxTTL, defaultTTL)).Sub(now))
	}
	t.expires = now.Add(ttl)
	return ttl
}

// consumeUse removes the token after its last use.
func (st *state) consumeUse(t *token) {
	if t.uses == 0 {
		return
	}
	if t.uses--; t.uses == 0 {
		st.revokeToken(t)
	}
}

// lookupSelf responds to auth/token/lookup-self.
func (st *state) lookupSelf(r *request) *response {
	t := r.holder
	data := map[string]any{
		"accessor": t.accessor, "creation_time": t.issued.Unix(), "creation_ttl": seconds(t.ttl),
		"display_name": "token", "entity_id": "", "expire_time": nil, "explicit_max_ttl": seconds(t.opts.MaxTTL), "id": t.id,
		"meta": t.meta, "num_uses": t.uses, "orphan": t.login || t.isRoot(), "path": t.path,
		"policies": t.policies, "ttl": 0, "type": "service",
	}
	if !t.expires.IsZero() {
		data["expire_time"], data["issue_time"] = timestamp(t.expires), timestamp(t.issued)
		data["ttl"], data["renewable"] = seconds(t.expires.Sub(st.now())), !t.opts.NotRenewable
	}
	if t.opts.Period > 0 {
		data["period"] = seconds(t.opts.Period)
	}
	return &response{Data: data, MountType: "token"}
}

// renewSelf responds to auth/token/renew-self.
func (st *state) renewSelf(r *request) (*response, *apiError) {
	t, increment := r.holder, parseDuration(r.body["increment"])
	if t.expires.IsZero() {
		return nil, newError(http.StatusBadRequest, "invalid lease ID")
	}
	if t.opts.NotRenewable {
		return nil, newError(http.StatusBadRequest, "lease is not renewable")
	}
	ttl := t.extend(st.now(), increment)
	st.counts.TokensRenewed++
	resp := &response{Auth: t.auth(ttl), MountType: "token"}
	if t.opts.Period == 0 {
		resp.Warnings = ttlWarnings(increment, ttl)
	}
	return resp, nil
}

// auth returns the description of a token in the response to a login or a renewal.
func (t *token) auth(ttl time.Duration) map[string]any {
	return map[string]any{
		"client_token": t.id, "accessor": t.accessor, "policies": t.policies, "token_policies": t.policies, "metadata": t.meta,
		"lease_duration": seconds(ttl), "renewable": !t.opts.NotRenewable, "entity_id": "", "token_type": "service",
		"orphan": t.login, "mfa_requirement": nil, "num_uses": t.uses,
	}
}
