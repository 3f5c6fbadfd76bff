package vault

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/hidden"
	"github.com/hush-secrets/hush/vault/internal/call"
	"github.com/hush-secrets/hush/vault/internal/route"
)

const (
	// anew is how long after a login that a 403 asked for the next one is made only
	// for a token that is known to be dead: a path that a policy denies stays denied.
	anew = time.Minute

	// The wait after a login that was refused or a renewal that had no answer, which
	// doubles each time.
	firstWait = time.Second
	longest   = 30 * time.Second
)

// A session keeps a client logged in. It does so when it is used, and never else.
type session struct {
	client  hidden.Of[*api.Client] // guarded, and without a token
	method  hidden.Of[api.AuthMethod]
	timeout time.Duration // of a login
	fault   error         // why no call can work
	now     clock.Func

	read atomic.Pointer[string] // a path that was read once; nil: none yet

	mu      sync.Mutex
	current *login
	pending *work[*login]
	forced  clock.Instant // until when a 403 to a living token is no reason for a login
	blind   bool          // tokens may not look themselves up, and so cannot be seen to be dead
	refusal error         // of the last login, until retry
	retry   clock.Instant
	wait    time.Duration
}

func newSession(client *api.Client, method api.AuthMethod, timeout time.Duration) *session {
	s := &session{timeout: timeout, now: clock.New()}
	if timeout <= 0 {
		s.timeout = defaultTimeout // of what is done for several callers
	}
	if method == nil {
		method = newClientToken(client)
	}
	guarded, fault := route.Guard(client)
	s.method, s.client, s.fault = hidden.New(method), hidden.New(guarded), fault
	return s
}

// ready returns the login to use, and logs in or renews it first where it is time.
// While it can still be used, one caller waits for its renewal and no other does.
func (s *session) ready(ctx context.Context) (*login, error) {
	moved := tokenChanged(s.method.Get()) // may look at a file
	s.mu.Lock()
	now := s.now()
	if moved {
		s.current = nil // it is not gone back to, whatever the login ends with
	}
	l, usable := s.current, s.usable(now)
	switch {
	case usable && (s.pending.pending(now) || !s.due(l, now)):
		s.mu.Unlock()
		return l, nil
	case !usable && s.refusal != nil && !now.Reached(s.retry) && !moved:
		defer s.mu.Unlock()
		return nil, s.refusal
	case !s.pending.pending(now):
		s.pending = s.begin(ctx, func(ctx context.Context) (*login, error) { return s.advance(ctx, l, usable) })
	}
	w := s.pending
	s.mu.Unlock()
	next, err := w.waitFor(ctx, usable)
	if err != nil && usable && ctx.Err() == nil {
		route.SetStatus(ctx, 0) // what the renewal was answered says nothing of the read
		return l, nil
	}
	return next, err
}

// touch renews the login if it is time, and waits for nothing: leases end with the
// token that they belong to.
func (s *session) touch(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if l := s.current; s.usable(now) && s.due(l, now) && !s.pending.pending(now) {
		s.pending = s.begin(ctx, func(ctx context.Context) (*login, error) { return s.advance(ctx, l, true) })
	}
}

// usable reports whether the current login can still be used. s.mu is held.
func (s *session) usable(now clock.Instant) bool {
	l := s.current
	if l == nil || l.dead.Load() {
		return false
	}
	t := l.terms.Load()
	return t.ttl == 0 || !now.Reached(t.last)
}

// due reports whether l, which can still be used, is to be renewed now. s.mu is
// held.
func (s *session) due(l *login, now clock.Instant) bool {
	t := l.terms.Load()
	return t.renewable && now.Reached(t.renew) && now.Reached(s.retry)
}

// begin starts the one login or renewal that goes on. s.mu is held.
func (s *session) begin(ctx context.Context, fn func(context.Context) (*login, error)) *work[*login] {
	var w *work[*login]
	w = begin(ctx, s.now, s.timeout, func(ctx context.Context) (*login, error) {
		l, err := call.Recover(ctx, fn)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.pending == w { // else a freeze outlived it
			s.settle(l, err)
		}
		return l, err
	})
	return w
}

// settle keeps what a login or a renewal ended with. s.mu is held.
func (s *session) settle(l *login, err error) {
	s.pending = nil
	if err == nil {
		s.current, s.refusal, s.wait, s.retry = l, nil, 0, clock.Instant{}
		return
	}
	s.refusal = nil // an outage says nothing of the credential
	if hush.ClassOf(err) != hush.ErrUnavailable {
		s.refusal = err
	}
	s.wait = min(max(2*s.wait, firstWait), longest)
	s.retry = s.now().Add(s.wait)
}

// advance renews l, or logs in anew where that is refused or l cannot be used.
func (s *session) advance(ctx context.Context, l *login, usable bool) (*login, error) {
	if usable {
		err := s.renew(ctx, l)
		if !isRefused(err) {
			return l, err
		}
		if isForbidden(err) && s.isDead(ctx, l) {
			l.dead.Store(true) // and what was leased to it
		}
	}
	return s.login(ctx)
}

// again returns the login to try once more with after Vault has answered 403 to
// used; used itself if that answer stands. An error says why there is none.
func (s *session) again(ctx context.Context, used *login) (*login, error) {
	for {
		s.mu.Lock()
		if l := s.current; l != nil && l != used && !l.dead.Load() {
			s.mu.Unlock()
			return l, nil
		}
		mine := !s.pending.pending(s.now())
		if mine {
			s.pending = s.begin(ctx, func(ctx context.Context) (*login, error) { return s.force(ctx, used) })
			s.pending.about = used
		}
		w := s.pending
		s.mu.Unlock()
		if l, err := w.wait(ctx); w.about == used || err != nil {
			return l, err
		} // else it was a renewal
	}
}
