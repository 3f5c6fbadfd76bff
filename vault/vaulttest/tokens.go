package vaulttest

import (
	"crypto/rand"
	"slices"
	"strings"
	"time"
)

// TokenOptions are the settings of a token. The zero value is a renewable one
// with Vault's default time to live, 768 hours.
type TokenOptions struct {
	// TTL is how long the token lives, and what a renewal gives it again. Whole
	// seconds. Zero: 768 hours.
	TTL time.Duration

	// MaxTTL is when the token ends for all renewals, counted from its issue. Zero:
	// 768 hours.
	MaxTTL time.Duration

	// Period makes the token periodic: every renewal gives it this time, for ever.
	Period time.Duration

	// NotRenewable refuses renewals.
	NotRenewable bool

	// Policies are the names of its policies beside "default". They are shown and
	// give no right; "root" among them makes a root token, which never expires.
	Policies []string

	// Uses is how many calls the token is good for. Zero: any number.
	Uses int

	// Namespace is the path of the one it belongs to; it is good there and below.
	// What a login gives belongs to the namespace of the call, whatever this says.
	Namespace string
}

type token struct {
	id, accessor string
	namespace    string
	path         string // that it was made by
	policies     []string
	meta         map[string]string
	issued       time.Time
	ttl          time.Duration // at its issue
	expires      time.Time     // zero: never
	opts         TokenOptions
	uses         int // left; 0: any number
	login        bool
}

func (t *token) root() bool { return slices.Contains(t.policies, "root") }

// RootToken returns the root token.
func (s *Server) RootToken() string { return s.store.Get().root }

// Token makes a token. nil Options are the defaults.
func (s *Server) Token(opts *TokenOptions) string {
	if opts == nil {
		opts = &TokenOptions{}
	}
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	return s.store.Get().issue(*opts, "auth/token/create", nil).id
}

// Revoke revokes token, and the leases that it asked for, at once.
func (s *Server) Revoke(token string) {
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	s.store.Get().drop(s.store.Get().tokens[token])
}

// RevokeLogins revokes every token that a login gave, as Revoke does, and returns
// how many there were.
func (s *Server) RevokeLogins() int { return s.revokeAll(func(t *token) bool { return t.login }) }

// RevokeAll loses every token but the root's, and every lease and wrapped answer, as
// a server does that comes back from an older snapshot.
func (s *Server) RevokeAll() {
	s.revokeAll(func(t *token) bool { return !t.root() })
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	for id := range s.store.Get().leases {
		s.store.Get().end(id)
	}
	clear(s.store.Get().wraps)
}

func (s *Server) revokeAll(like func(*token) bool) int {
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	s.store.Get().sweep()
	revoked := 0
	for _, held := range s.store.Get().tokens {
		if like(held) {
			s.store.Get().drop(held)
			revoked++
		}
	}
	return revoked
}

// issue makes a token. A periodic one begins with its period.
func (st *store) issue(opts TokenOptions, path string, meta map[string]string) *token {
	made := &token{
		id: "hvs." + random(24), accessor: random(24), namespace: strings.Trim(opts.Namespace, "/"), path: path,
		policies: slices.Clone(opts.Policies), meta: meta, issued: st.now(), opts: opts, uses: opts.Uses,
	}
	if !made.root() {
		made.policies = append(made.policies, "default")
		slices.Sort(made.policies)
		made.extend(made.issued, 0)
	}
	st.tokens[made.id] = made
	return made
}

// extend gives the token its time from now on: increment if it is given and the
// token has no period, within what its end allows.
func (t *token) extend(now time.Time, increment time.Duration) (granted time.Duration) {
	granted = firstOf(t.opts.Period, increment, t.opts.TTL, defaultTTL)
	if t.opts.Period == 0 {
		granted = min(granted, t.issued.Add(firstOf(t.opts.MaxTTL, defaultTTL)).Sub(now))
	}
	if t.expires.IsZero() {
		t.ttl = granted
	}
	t.expires = now.Add(granted)
	return granted
}

func firstOf(durations ...time.Duration) time.Duration {
	for _, d := range durations {
		if d > 0 {
			return d
		}
	}
	return 0
}

// alive returns the token with that id, nil if there is none.
func (st *store) alive(id string) *token {
	held := st.tokens[id]
	if held == nil || held.expires.IsZero() || st.now().Before(held.expires) {
		return held
	}
	st.drop(held)
	return nil
}

// drop ends a token and its leases.
func (st *store) drop(held *token) {
	if held == nil {
		return
	}
	delete(st.tokens, held.id)
	for id, l := range st.leases {
		if l.holder == held {
			st.end(id)
		}
	}
}

// sweep ends what has come to its end by the clock.
func (st *store) sweep() {
	for id := range st.tokens {
		st.alive(id)
	}
	now := st.now()
	for id, l := range st.leases {
		if !now.Before(l.expires) {
			delete(st.leases, id)
			st.counts.LeasesExpired++
		}
	}
}

// random returns n random letters and digits.
func random(n int) string {
	text := rand.Text()
	for len(text) < n {
		text += rand.Text()
	}
	return text[:n]
}
