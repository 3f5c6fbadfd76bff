package vault

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/hidden"
	"github.com/hush-secrets/hush/vault/internal/call"
	"github.com/hush-secrets/hush/vault/internal/route"
)

// A login is one token and what is known of its life.
type login struct {
	token  hush.Value
	client hidden.Of[*api.Client] // sends the token
	dead   atomic.Bool            // Vault knows the token no more
	terms  atomic.Pointer[terms]
}

// terms are what a token or a lease was granted, at first or by its last renewal. They
// begin before it was asked for.
type terms struct {
	ttl       time.Duration // zero: unknown, or without end
	renewable bool
	renew     clock.Instant // when to renew it on use, if renewable
	last      clock.Instant // when to ask for another: a little before the end
	end       clock.Instant
}

func newTerms(seconds int, renewable bool, start clock.Instant) *terms {
	ttl := time.Duration(min(max(seconds, 0), math.MaxInt32)) * time.Second
	return &terms{
		ttl:       ttl,
		renewable: renewable && ttl > 0,
		renew:     start.Add(ttl * 2 / 3),
		last:      start.Add(ttl - min(ttl/10, 30*time.Second)),
		end:       start.Add(ttl),
	}
}

// after returns t, which a renewal of old was granted. One that grants no more time
// has reached the longest life there is, and is the last.
func (t *terms) after(old *terms) *terms {
	if t.end.Since(old.end) < t.ttl/20 {
		t.renewable = false
	}
	return t
}

// login asks the method for a new token. A refusal of it is a *failure.
func (s *session) login(ctx context.Context) (*login, error) {
	route.SetStatus(ctx, 0) // what was answered before is not the last word
	start := s.now()
	secret, err := s.method.Get().Login(ctx, s.client.Get().WithRequestCallbacks())
	if err != nil {
		return nil, loginFault(err)
	}
	if secret == nil || secret.Auth == nil || secret.Auth.ClientToken == "" {
		return nil, call.Failf(hush.ErrUnavailable, "the login was answered without a token")
	}
	return s.newLogin(secret.Auth, start), nil
}

func (s *session) newLogin(auth *api.SecretAuth, start clock.Instant) *login {
	token := auth.ClientToken
	client := s.client.Get().WithRequestCallbacks(func(r *api.Request) { r.ClientToken = token })
	l := &login{token: hush.NewValue([]byte(token)), client: hidden.New(client)}
	l.terms.Store(newTerms(auth.LeaseDuration, auth.Renewable, start))
	return l
}

// loginFault makes an answer that refuses a login, and what a method says of its
// own credentials, a *failure. Anything else is about the network, and is judged
// later. What an unknown method says may hold the credential, and is not kept.
func loginFault(err error) error {
	if answer, ok := errors.AsType[*api.ResponseError](err); ok && isRefused(err) {
		return call.Fail(hush.ErrUnauthenticated, &APIError{Status: answer.StatusCode, reason: "Vault refuses the login"})
	}
	if told, ok := errors.AsType[*hush.Error](err); ok {
		return call.Fail(hush.ClassOf(told), told.Err)
	}
	_, asked := errors.AsType[*url.Error](err)
	_, answered := errors.AsType[*api.ResponseError](err)
	if asked || answered || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return call.Failf(hush.ErrUnauthenticated, "the login method failed before it asked Vault (%T)", err)
}

// renew asks for more time for l. Where none is granted, because the token has
// reached its longest life, it is not asked for again.
func (s *session) renew(ctx context.Context, l *login) error {
	start, old := s.now(), l.terms.Load()
	secret, err := l.client.Get().Auth().Token().RenewSelfWithContext(ctx, 0) // as much as its role or its making gives it
	if err != nil {
		return err
	}
	if secret == nil || secret.Auth == nil {
		return call.Failf(hush.ErrUnavailable, "the renewal of the token was answered without its terms")
	}
	t := newTerms(secret.Auth.LeaseDuration, secret.Auth.Renewable, start).after(old)
	if t.ttl == 0 { // which is no answer to a renewal
		*t = *old
		t.renewable = false
	}
	l.terms.Store(t)
	return nil
}

// isDead reports whether Vault is seen not to know the token of l.
func (s *session) isDead(ctx context.Context, l *login) bool {
	alive, err := s.alive(ctx, l)
	s.mu.Lock()
	defer s.mu.Unlock()
	return err == nil && !alive && !s.blind
}

// alive reports whether Vault still knows the token of l.
func (s *session) alive(ctx context.Context, l *login) (bool, error) {
	_, err := l.client.Get().Auth().Token().LookupSelfWithContext(ctx)
	if read := s.read.Load(); isForbidden(err) && read != nil {
		// It may not be allowed to look itself up. This takes any right at the mount,
		// and the session's tokens have one.
		_, err = l.get(ctx, "sys/internal/ui/mounts/"+*read, nil)
	}
	if err == nil || isRefused(err) {
		return !isForbidden(err), nil
	}
	return false, err
}

// force logs in anew because Vault answered 403 to used, unless used is alive and
// that was done a moment ago.
func (s *session) force(ctx context.Context, used *login) (*login, error) {
	alive, err := s.alive(ctx, used)
	if err != nil || !s.mayForce(alive) {
		return used, err
	}
	l, err := s.login(ctx)
	switch {
	case alive && (err != nil || l.token.Equal(used.token)):
		s.noteForced(false)
		return used, nil //nolint:nilerr // the 403 stands, and the token goes on
	case err == nil && l.token.Equal(used.token):
		err = call.Fail(hush.ErrUnauthenticated, &APIError{Status: http.StatusForbidden, reason: "the token is expired, revoked or unknown to Vault, and there is no other"})
	}
	if err != nil {
		used.dead.Store(true)
		return nil, err
	}
	used.dead.Store(!alive)
	blind := false
	if !alive && s.read.Load() == nil {
		seen, err := s.alive(ctx, l)
		blind = err == nil && !seen
	}
	s.noteForced(blind)
	return l, nil
}

// mayForce reports whether a 403 to a token is a reason for a login now.
func (s *session) mayForce(alive bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !alive && !s.blind || s.now().Reached(s.forced)
}

// noteForced remembers that a 403 was a reason for a login, and whether tokens are
// seen to look dead that are not.
func (s *session) noteForced(blind bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forced, s.blind = s.now().Add(anew), blind
}
