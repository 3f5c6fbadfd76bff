package vault

import (
	"context"
	"maps"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// patience is how long a read waits at most for the renewal of what still serves.
const patience = time.Second

// minSlots is the number of slots from which a Reader looks for ended leases.
const minSlots = 64

// A slot is what the Reader has for one path.
type slot struct {
	held    *lease
	pending *work[*lease]
	retry   clock.Instant // when to try again to renew held
}

// A lease is a secret that Vault has given out for a time. One without an id is a
// secret that is not leased, and is not held.
type lease struct {
	id     string
	secret hush.Secret
	by     *login
	terms  *terms
}

// end returns when the lease ends, or the token before it, which takes its leases
// with it.
func (l *lease) end() clock.Instant {
	return l.sooner(func(t *terms) clock.Instant { return t.end })
}

// spent reports whether l is so near its end that another is asked for.
func (l *lease) spent(now clock.Instant) bool {
	return now.Reached(l.sooner(func(t *terms) clock.Instant { return t.last }))
}

func (l *lease) sooner(of func(*terms) clock.Instant) clock.Instant {
	i := of(l.terms)
	if t := l.by.terms.Load(); t.ttl > 0 {
		token := of(t)
		i.Wall, i.Mono = min(i.Wall, token.Wall), min(i.Mono, token.Mono)
	}
	return i
}

// serves reports whether what l holds can be given out at now.
func (l *lease) serves(now clock.Instant) bool {
	return l != nil && !l.by.dead.Load() && !now.Reached(l.end())
}

// due reports whether l, which serves, is to be renewed or replaced now.
func (l *lease) due(now clock.Instant) bool {
	return l.terms.renewable && now.Reached(l.terms.renew) || l.spent(now)
}

// out returns the secret as it is given out at now.
func (l *lease) out(now clock.Instant) hush.Secret {
	secret := l.secret
	if l.id == "" {
		return secret
	}
	end := l.end()
	secret.Expires = end.Time()
	if by := now.Time().Add(now.Until(end)); secret.Expires.Sub(by) > time.Second {
		secret.Expires = by // for the wall clock was set back
	}
	return secret
}

// suits reports whether what l holds is an answer to ref.
func (l *lease) suits(ref hush.Ref) bool {
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

// lease returns the secret that is held for ref, renewed where it is time, or asks
// for a new one. While one is held that serves, one caller waits for its renewal,
// for a moment, and no other does.
func (r *Reader) lease(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	_, fresh := ref.Freshness()
	for {
		held, suits, w, mine := r.join(ctx, ref)
		if w == nil {
			r.session.touch(ctx)
			return held.out(r.session.now()), nil
		}
		next, err := w.waitFor(ctx, suits)
		now := r.session.now()
		switch {
		case err != nil && suits && ctx.Err() == nil && held.serves(now):
			return held.out(now), nil
		case err != nil:
			return hush.Secret{}, err
		case !mine && fresh && (next.id == "" || held.is(next) && !next.suits(ref)):
			continue // it was begun before, and gave nothing new
		}
		return next.out(now), nil
	}
}

// join returns what is held for ref and whether that suits, and the work to wait
// for, or none if held is the answer. mine says that the work was begun for ref.
func (r *Reader) join(ctx context.Context, ref hush.Ref) (held *lease, suits bool, w *work[*lease], mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.session.now()
	s := r.slots[ref.Name]
	if s == nil {
		r.dropEnded(now)
		s = &slot{}
		r.slots[ref.Name] = s
	}
	held = s.held
	suits = held.serves(now) && held.suits(ref)
	busy := s.pending.pending(now)
	if suits && (busy || !held.due(now) || !now.Reached(s.retry)) {
		return held, suits, nil, false
	}
	if !busy {
		s.pending = r.begin(ctx, ref.Name, s, suits && !held.spent(now))
	}
	return held, suits, s.pending, !busy
}

// dropEnded drops the slots whose leases have ended and are not being replaced, once as
// many slots were added as were left the last time. Memory is so bounded by the live
// leases and not by all the paths that were ever read. r.mu is held.
func (r *Reader) dropEnded(now clock.Instant) {
	if len(r.slots) < r.dropAt {
		return
	}
	maps.DeleteFunc(r.slots, func(_ string, s *slot) bool { return !s.held.serves(now) && !s.pending.pending(now) })
	r.dropAt = max(minSlots, 2*len(r.slots))
}

// is reports whether l and next are the same lease, renewed or not.
func (l *lease) is(next *lease) bool { return l != nil && l.id == next.id }
