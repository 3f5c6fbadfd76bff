package vault

import (
	"cmp"
	"context"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/hidden"
	"github.com/hush-secrets/hush/internal/surrogate"
	"github.com/hush-secrets/hush/vault/internal/call"
	"github.com/hush-secrets/hush/vault/internal/route"
)

const (
	// forcedLoginInterval is the minimum time between two logins that a 403 to a valid
	// token triggers. A path that a policy denies stays denied.
	forcedLoginInterval = time.Minute

	// The wait after a refused login or a failed renewal. It doubles each time.
	minBackoff = time.Second
	maxBackoff = 30 * time.Second
)

// A session keeps a client logged in. It logs in and renews only while it is used.
type session struct {
	client        hidden.Of[*api.Client] // guarded, and without a token
	method        hidden.Of[api.AuthMethod]
	timeout       time.Duration // of a call; negative means none
	flightTimeout time.Duration // of a login, and of anything else for several callers
	fault         *hush.Error   // the reason why no call can succeed; nil for none
	now           clock.Func

	readPath atomic.Pointer[string] // a path that was read successfully; nil for none

	mu           sync.Mutex
	current      *login
	pending      *flight[*login]
	pendingFor   *login        // the login whose 403 the pending flight handles; nil for a renewal
	noForceUntil clock.Instant // until then, a 403 to a valid token triggers no login
	cannotLookup bool          // tokens must not look themselves up, so that valid ones look revoked
	refusal      error         // of the last login, until retryAt
	retryAt      clock.Instant
	backoff      time.Duration
}

func newSession(client *api.Client, method api.AuthMethod, timeout time.Duration) *session {
	if client == nil {
		panic("vault: client is nil")
	}
	s := &session{timeout: cmp.Or(timeout, defaultTimeout), now: clock.New()}
	s.flightTimeout = s.timeout
	if s.timeout < 0 {
		s.flightTimeout = defaultTimeout
	}
	if method == nil {
		method = newClientToken(client)
	}
	guarded, err := route.Guard(client)
	s.reject(err)
	s.method, s.client = hidden.New(method), hidden.New(guarded)
	return s
}

// reject makes each call fail with err, unless err is nil.
func (s *session) reject(err error) {
	if err != nil {
		s.fault = call.Fail(hush.ErrUnavailable, err)
	}
}

// login returns the login to use. It logs in first, or renews the token if that is due.
// While the token is usable, one caller waits for its renewal and the others do not.
func (s *session) login(ctx context.Context) (*login, error) {
	changed := tokenChanged(s.method.Get()) // may read a file
	s.mu.Lock()
	now := s.now()
	if changed {
		s.current = nil // the old token is not used again, even if the login fails
	}
	l, usable := s.current, s.isUsable(now)
	switch {
	case usable && (s.pending.inFlight(now) || !s.isRenewalDue(l, now)):
		s.mu.Unlock()
		return l, nil
	case !usable && s.refusal != nil && !now.Reached(s.retryAt) && !changed:
		defer s.mu.Unlock()
		return nil, s.refusal
	case !s.pending.inFlight(now):
		s.startLogin(ctx, nil, func(ctx context.Context) (*login, error) { return s.renewOrLogin(ctx, l, usable) })
	}
	f := s.pending
	s.mu.Unlock()
	if !usable {
		return f.wait(ctx)
	}
	next, err := f.waitBriefly(ctx)
	if err != nil && ctx.Err() == nil {
		route.SetStatus(ctx, 0) // the response to the renewal does not decide the class of the read
		return l, nil
	}
	return next, err
}

// renewIfDue starts a renewal of the token if it is due, and does not wait for it. A
// lease ends with its token.
func (s *session) renewIfDue(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if l := s.current; s.isUsable(now) && s.isRenewalDue(l, now) && !s.pending.inFlight(now) {
		s.startLogin(ctx, nil, func(ctx context.Context) (*login, error) { return s.renewOrLogin(ctx, l, true) })
	}
}

// isUsable reports whether the current token can be used. s.mu is held.
func (s *session) isUsable(now clock.Instant) bool {
	l := s.current
	if l == nil || l.revoked.Load() {
		return false
	}
	t := l.terms.Load()
	return t.ttl == 0 || !now.Reached(t.replaceAt)
}

// isRenewalDue reports whether the usable login l is to be renewed now. s.mu is held.
func (s *session) isRenewalDue(l *login, now clock.Instant) bool {
	t := l.terms.Load()
	return t.renewable && now.Reached(t.renewAt) && now.Reached(s.retryAt)
}

// startLogin makes a flight of fn the pending one. rejected is the login that received a
// 403, if fn handles one. s.mu is held.
func (s *session) startLogin(ctx context.Context, rejected *login, fn func(context.Context) (*login, error)) {
	s.pendingFor = rejected
	s.pending = startFlight(ctx, s, fn, func(f *flight[*login], l *login, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.pending == f { // otherwise it was abandoned after a freeze
			s.settle(l, err)
		}
	})
}

// settle stores the result of a login or a renewal. s.mu is held.
func (s *session) settle(l *login, err error) {
	s.pending = nil
	if err == nil {
		s.current, s.refusal, s.backoff, s.retryAt = l, nil, 0, clock.Instant{}
		return
	}
	s.refusal = nil // an outage is not a refusal
	if hush.ClassOf(err) != hush.ErrUnavailable {
		s.refusal = err
	}
	s.backoff = min(max(2*s.backoff, minBackoff), maxBackoff)
	s.retryAt = s.now().Add(s.backoff)
}

// loginAfterDenial returns the login to repeat a request with after Vault responded to
// denied with 403. It returns denied itself if that response is final.
func (s *session) loginAfterDenial(ctx context.Context, denied *login) (*login, error) {
	for {
		s.mu.Lock()
		if l := s.current; l != nil && l != denied && !l.revoked.Load() {
			s.mu.Unlock()
			return l, nil
		}
		if !s.pending.inFlight(s.now()) {
			s.startLogin(ctx, denied, func(ctx context.Context) (*login, error) { return s.forceLogin(ctx, denied) })
		}
		f, handled := s.pending, s.pendingFor == denied
		s.mu.Unlock()
		if l, err := f.wait(ctx); handled || err != nil {
			return l, err
		} // otherwise it was a renewal
	}
}

// get reads path and returns the login that it used. It logs in if necessary, and again
// after a 403. If Vault sent a body with an error, get returns both.
//
// The second new login is for a token that was revoked before it could be used. A valid
// token is denied by a policy.
func (s *session) get(ctx context.Context, path string, query url.Values) ([]byte, *login, error) {
	l, err := s.login(ctx)
	if err != nil {
		return nil, nil, err
	}
	body, err := l.get(ctx, path, query)
	for attempt := 0; attempt < 2 && isForbidden(err); attempt++ {
		route.SetStatus(ctx, 0) // the 403 is not final yet
		next, loginErr := s.loginAfterDenial(ctx, l)
		if loginErr != nil {
			return nil, nil, loginErr
		}
		if next == l {
			break
		}
		l = next
		body, err = l.get(ctx, path, query)
	}
	if err == nil && s.readPath.Load() == nil && !strings.HasPrefix(path, "sys/") {
		s.readPath.Store(&path)
	}
	return body, l, err
}

func (l *login) get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	response, err := l.client.Get().Logical().ReadRawWithDataWithContext(ctx, path, query)
	if response == nil || response.Response == nil {
		return nil, err
	}
	defer response.Body.Close()
	body := route.Body(response.Response)
	if err != nil {
		return body, err
	}
	if err := surrogate.Check(body); err != nil {
		return nil, call.Fail(hush.ErrUnavailable, err)
	}
	return body, nil
}
