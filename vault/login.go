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

// A login is a token and its terms.
type login struct {
	token   hush.Value
	client  hidden.Of[*api.Client] // sends the token
	revoked atomic.Bool            // Vault does not know the token any more
	terms   atomic.Pointer[terms]
}

// terms are the times of a token or a lease since its last renewal. They count from just
// before the request.
type terms struct {
	ttl       time.Duration // zero means unknown or unlimited
	renewable bool
	renewAt   clock.Instant // if renewable
	replaceAt clock.Instant // shortly before end
	end       clock.Instant
}

func newTerms(seconds int, renewable bool, start clock.Instant) *terms {
	ttl := time.Duration(min(max(seconds, 0), math.MaxInt32)) * time.Second
	return &terms{
		ttl:       ttl,
		renewable: renewable && ttl > 0,
		renewAt:   start.Add(ttl * 2 / 3),
		replaceAt: start.Add(ttl - min(ttl/10, 30*time.Second)),
		end:       start.Add(ttl),
	}
}

// renewed returns t as the result of a renewal of old. If Vault granted no more time, the
// maximum TTL is reached, and t is not renewable.
func (t *terms) renewed(old *terms) *terms {
	if t.end.Since(old.end) < t.ttl/20 {
		t.renewable = false
	}
	return t
}

// renewOrLogin renews l if it is usable. If Vault refuses that, or if l is not usable, it
// logs in.
func (s *session) renewOrLogin(ctx context.Context, l *login, usable bool) (*login, error) {
	if usable {
		err := s.renew(ctx, l)
		if !isRefused(err) {
			return l, err
		}
		if isForbidden(err) && s.isRevoked(ctx, l) {
			l.revoked.Store(true) // its leases are revoked, too
		}
	}
	return s.newLogin(ctx)
}

// newLogin logs in.
func (s *session) newLogin(ctx context.Context) (*login, error) {
	route.SetStatus(ctx, 0) // earlier responses do not decide the class of this login
	start := s.now()
	secret, err := s.method.Get().Login(ctx, s.client.Get().WithRequestCallbacks())
	if err != nil {
		return nil, loginError(err)
	}
	if secret == nil || secret.Auth == nil || secret.Auth.ClientToken == "" {
		return nil, call.Failf(hush.ErrUnavailable, "the login method returned no token")
	}
	token := secret.Auth.ClientToken
	client := s.client.Get().WithRequestCallbacks(func(r *api.Request) { r.ClientToken = token })
	l := &login{token: hush.NewValue([]byte(token)), client: hidden.New(client)}
	l.terms.Store(newTerms(secret.Auth.LeaseDuration, secret.Auth.Renewable, start))
	return l, nil
}

// loginError classifies a refused login and an error of the login method. It returns a
// network error unchanged, which is classified later. It drops the text of an unknown
// error, which may contain the credential.
func loginError(err error) error {
	response, responded := errors.AsType[*api.ResponseError](err)
	if isRefused(err) {
		return call.Fail(hush.ErrUnauthenticated, &APIError{Status: response.StatusCode, reason: "Vault refuses the login"})
	}
	if e, ok := errors.AsType[*hush.Error](err); ok {
		return e
	}
	_, sent := errors.AsType[*url.Error](err)
	if sent || responded || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return call.Failf(hush.ErrUnauthenticated, "the login method failed before it sent a request (%T)", err)
}

// renew renews the token of l. It asks for the TTL that the token's role grants.
func (s *session) renew(ctx context.Context, l *login) error {
	start, old := s.now(), l.terms.Load()
	secret, err := l.client.Get().Auth().Token().RenewSelfWithContext(ctx, 0)
	if err != nil {
		return err
	}
	if secret == nil || secret.Auth == nil {
		return call.Failf(hush.ErrUnavailable, "the response to the token's renewal has no TTL")
	}
	t := newTerms(secret.Auth.LeaseDuration, secret.Auth.Renewable, start).renewed(old)
	if t.ttl == 0 { // not a valid response to a renewal
		*t = *old
		t.renewable = false
	}
	l.terms.Store(t)
	return nil
}

// isRevoked reports whether Vault certainly does not know the token of l any more.
func (s *session) isRevoked(ctx context.Context, l *login) bool {
	valid, err := s.isValid(ctx, l)
	s.mu.Lock()
	defer s.mu.Unlock()
	return err == nil && !valid && !s.cannotLookup
}

// isValid reports whether Vault knows the token of l.
func (s *session) isValid(ctx context.Context, l *login) (bool, error) {
	_, err := l.client.Get().Auth().Token().LookupSelfWithContext(ctx)
	if path := s.readPath.Load(); isForbidden(err) && path != nil {
		// The token may not be allowed to look itself up. This request succeeds with any
		// right at the mount, which the session's tokens have.
		_, err = l.get(ctx, "sys/internal/ui/mounts/"+*path, nil)
	}
	if err == nil || isRefused(err) {
		return !isForbidden(err), nil
	}
	return false, err
}

// forceLogin logs in because Vault responded to denied with 403. It returns denied if its
// token is valid and the last such login was a short time ago.
func (s *session) forceLogin(ctx context.Context, denied *login) (*login, error) {
	valid, err := s.isValid(ctx, denied)
	if err != nil || !s.mayForceLogin(valid) {
		return denied, err
	}
	l, err := s.newLogin(ctx)
	switch {
	case valid && (err != nil || l.token.Equal(denied.token)):
		s.setForced(false)
		return denied, nil //nolint:nilerr // the 403 is final, and the token stays in use
	case err == nil && l.token.Equal(denied.token):
		err = call.Fail(hush.ErrUnauthenticated, &APIError{
			Status: http.StatusForbidden,
			reason: "the token is expired, revoked or unknown to Vault, and the login method has no other token",
		})
	}
	if err != nil {
		denied.revoked.Store(true)
		return nil, err
	}
	denied.revoked.Store(!valid)
	cannotLookup := false
	if !valid && s.readPath.Load() == nil {
		newIsValid, err := s.isValid(ctx, l)
		cannotLookup = err == nil && !newIsValid
	}
	s.setForced(cannotLookup)
	return l, nil
}

// mayForceLogin reports whether a 403 may trigger a login now.
func (s *session) mayForceLogin(valid bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !valid && !s.cannotLookup || s.now().Reached(s.noForceUntil)
}

// setForced records that a 403 has triggered a login.
func (s *session) setForced(cannotLookup bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noForceUntil, s.cannotLookup = s.now().Add(forcedLoginInterval), cannotLookup
}
