package vault

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/vault/internal/route"
)

// minCleanup is the number of slots from which a Reader drops expired ones.
const minCleanup = 64

// A slot is what a Reader has for one path.
type slot struct {
	current *lease
	pending *flight[*lease]
	retryAt clock.Instant // of a failed renewal
}

// A lease is a secret and its terms. A secret that is not leased has a lease without an
// id, which is not kept.
type lease struct {
	id     string
	secret hush.Secret
	login  *login
	terms  *terms
}

// end returns when the lease expires, or the token if that expires sooner: Vault revokes
// the leases of an expired token.
func (l *lease) end() clock.Instant {
	return l.earlier(func(t *terms) clock.Instant { return t.end })
}

// earlier returns the earlier one of a time of the lease and that of its token.
func (l *lease) earlier(of func(*terms) clock.Instant) clock.Instant {
	i := of(l.terms)
	if t := l.login.terms.Load(); t.ttl > 0 {
		token := of(t)
		i.Wall, i.Mono = min(i.Wall, token.Wall), min(i.Mono, token.Mono)
	}
	return i
}

// isUsable reports whether the secret of l can be returned. It is false for nil.
func (l *lease) isUsable(now clock.Instant) bool {
	return l != nil && !l.login.revoked.Load() && !now.Reached(l.end())
}

func (l *lease) isReplacementDue(now clock.Instant) bool {
	return now.Reached(l.earlier(func(t *terms) clock.Instant { return t.replaceAt }))
}

// isRenewalDue reports whether the usable lease l is to be renewed or replaced now.
func (l *lease) isRenewalDue(now clock.Instant) bool {
	return l.terms.renewable && now.Reached(l.terms.renewAt) || l.isReplacementDue(now)
}

// isSame reports whether l and next are the same lease, renewed or not.
func (l *lease) isSame(next *lease) bool { return l != nil && l.id == next.id }

// satisfies reports whether the secret of l is fresh enough for ref.
func (l *lease) satisfies(ref hush.Ref) bool {
	than, fresh := ref.Freshness()
	switch {
	case than == nil:
		return !fresh
	case than.Version != "":
		return than.Version != l.secret.Version
	}
	part, err := ref.Select(l.secret)
	return err == nil && !than.Value.Equal(part.Value)
}

// secretAt returns the secret with its Expires.
func (l *lease) secretAt(now clock.Instant) hush.Secret {
	secret := l.secret
	if l.id == "" {
		return secret
	}
	end := l.end()
	secret.Expires = end.Time()
	if latest := now.Time().Add(now.Until(end)); secret.Expires.Sub(latest) > time.Second {
		secret.Expires = latest // the wall clock was set back
	}
	return secret
}

// getLeased returns the current secret for ref, or a renewed or a new one if that is due.
// While the current secret is usable, one caller waits briefly for its renewal and the
// others do not wait.
func (r *Reader) getLeased(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	_, fresh := ref.Freshness()
	for {
		current, usable, f, started := r.join(ctx, ref)
		if f == nil {
			r.session.renewIfDue(ctx)
			return current.secretAt(r.session.now()), nil
		}
		wait := f.wait
		if usable {
			wait = f.waitBriefly
		}
		next, err := wait(ctx)
		now := r.session.now()
		switch {
		case err != nil && usable && ctx.Err() == nil && current.isUsable(now):
			return current.secretAt(now), nil
		case err != nil:
			return hush.Secret{}, err
		case !started && fresh && (next.id == "" || current.isSame(next) && !next.satisfies(ref)):
			continue // the flight started before this read and returned nothing new
		}
		return next.secretAt(now), nil
	}
}

// join returns the current lease for ref, whether its secret is usable for ref, and the
// flight to wait for. The flight is nil if the current secret is the result. started
// reports that the flight was started for ref.
func (r *Reader) join(ctx context.Context, ref hush.Ref) (current *lease, usable bool, f *flight[*lease], started bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.session.now()
	s := r.slots[ref.Name]
	if s == nil {
		r.dropExpired(now)
		s = &slot{}
		r.slots[ref.Name] = s
	}
	current = s.current
	usable = current.isUsable(now) && current.satisfies(ref)
	inFlight := s.pending.inFlight(now)
	if usable && (inFlight || !current.isRenewalDue(now) || !now.Reached(s.retryAt)) {
		return current, usable, nil, false
	}
	if !inFlight {
		r.start(ctx, ref.Name, s, usable && !current.isReplacementDue(now))
	}
	return current, usable, s.pending, !inFlight
}

// dropExpired drops the slots whose leases have expired and are not being replaced, each
// time the number of slots has doubled. The number of usable leases thereby bounds the
// memory, not the number of paths that were ever read. r.mu is held.
func (r *Reader) dropExpired(now clock.Instant) {
	if len(r.slots) < r.cleanupAt {
		return
	}
	maps.DeleteFunc(r.slots, func(_ string, s *slot) bool { return !s.current.isUsable(now) && !s.pending.inFlight(now) })
	r.cleanupAt = max(minCleanup, 2*len(r.slots))
}

// start starts to renew or to replace the lease of s. r.mu is held.
func (r *Reader) start(ctx context.Context, path string, s *slot, renew bool) {
	current := s.current
	s.pending = startFlight(ctx, r.session,
		func(ctx context.Context) (*lease, error) { return r.renewOrRequest(ctx, path, current, renew) },
		func(f *flight[*lease], next *lease, err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if s.pending == f && r.slots[path] == s {
				r.settle(path, s, next, err)
			} else { // it was abandoned after a freeze
				r.keepForRevocation(next)
			}
		})
}

// settle stores the result of a flight. r.mu is held.
func (r *Reader) settle(path string, s *slot, next *lease, err error) {
	if err != nil {
		s.retryAt = r.session.now().Add(minBackoff)
	} else {
		if !s.current.isSame(next) {
			r.keepForRevocation(s.current)
		}
		s.current, s.retryAt = next, clock.Instant{}
	}
	if s.current == nil || s.current.id == "" {
		delete(r.slots, path)
	}
}

// keepForRevocation keeps a lease that callers may still use until Close revokes it. r.mu
// is held.
func (r *Reader) keepForRevocation(l *lease) {
	if !r.revoke || l == nil || l.id == "" {
		return
	}
	now := r.session.now()
	r.replaced = append(slices.DeleteFunc(r.replaced, func(l *lease) bool { return now.Reached(l.end()) }), l)
}

// renewOrRequest renews current if renew is set. If it is not, or if Vault refuses the
// renewal, it requests a new secret.
func (r *Reader) renewOrRequest(ctx context.Context, path string, current *lease, renew bool) (*lease, error) {
	if r.isClosed() {
		return nil, errClosed
	}
	if renew {
		if next, err := r.renew(ctx, current); !isRefused(err) {
			return next, err
		}
		route.SetStatus(ctx, 0) // the refusal is not final
	}
	return r.request(ctx, path)
}

// request reads path, for which Vault creates a secret.
func (r *Reader) request(ctx context.Context, path string) (*lease, error) {
	start := r.session.now()
	body, login, err := r.session.get(ctx, path, nil)
	if err != nil {
		return nil, notFound(body, err, hush.Ref{}, "")
	}
	var response struct {
		LeaseID       string `json:"lease_id"`
		LeaseDuration int    `json:"lease_duration"`
		Renewable     bool
		Data          json.RawMessage
	}
	if json.Unmarshal(body, &response) != nil {
		return nil, errUnreadable
	}
	value, err := canonical(response.Data)
	if err != nil {
		return nil, err
	}
	l := &lease{
		login: login, terms: newTerms(response.LeaseDuration, response.Renewable, start),
		secret: hush.Secret{Value: value, Source: source},
	}
	if response.LeaseID != "" && response.LeaseDuration > 0 {
		l.id, l.secret.Created = response.LeaseID, start.Time()
		l.secret.Version = l.id[strings.LastIndexByte(l.id, '/')+1:]
	}
	return l, l.secret.Validate()
}

// renew renews current. It asks for the TTL that the lease's role grants.
func (r *Reader) renew(ctx context.Context, current *lease) (*lease, error) {
	login, err := r.session.login(ctx)
	if err != nil {
		return nil, err
	}
	start := r.session.now()
	response, err := login.client.Get().Sys().RenewWithContext(ctx, current.id, 0)
	if err != nil {
		return nil, err
	}
	if response == nil || response.LeaseDuration <= 0 {
		return nil, errUnreadable // the lease stays in use
	}
	next := *current
	next.terms = newTerms(response.LeaseDuration, response.Renewable, start).renewed(current.terms)
	return &next, nil
}
