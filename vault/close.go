package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/limit"
)

// Close ends the Reader: every Get from now on is ErrUnavailable. If RevokeOnClose
// is set it revokes what it has given out and what has not ended, which the token's
// policy must allow on sys/leases/revoke; what could not be revoked ends by itself,
// and the error has the class of the first that could not. A second Close does
// nothing.
func (r *Reader) Close() error {
	r.mu.Lock()
	first, works := !r.closed, []*work[*lease]{}
	r.closed = true
	for _, s := range r.slots {
		if s.pending != nil {
			works = append(works, s.pending)
		}
	}
	r.mu.Unlock()
	if !first || !r.revoke || r.session.fault != nil {
		return nil
	}
	caller := context.Background()
	ctx, cancel := limit.Context(caller, r.session.timeout, "Vault")
	defer cancel()
	ctx, x := withExchange(ctx)
	for _, w := range works {
		_, _ = w.wait(ctx) // what it gives is among the leases then
	}
	leases := r.outstanding()
	failed, err := r.revokeAll(ctx, leases)
	if err == nil {
		return nil
	}
	f := judge(caller, ctx, x, err)
	return hush.NewError(name, hush.Ref{}, f.class, fmt.Errorf("%d of %d leases are not revoked: %w", failed, len(leases), f.cause))
}

func (r *Reader) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// outstanding returns the leases that have not ended, each once: what a freeze cut
// off may have come twice.
func (r *Reader) outstanding() map[string]*lease {
	r.mu.Lock()
	defer r.mu.Unlock()
	live, now := map[string]*lease{}, r.session.now()
	for _, l := range r.old {
		live[l.id] = l
	}
	for _, s := range r.slots {
		if s.held != nil {
			live[s.held.id] = s.held
		}
	}
	maps.DeleteFunc(live, func(_ string, l *lease) bool { return !l.serves(now) })
	return live
}

// revokeAll returns how many of leases it could not revoke, and the first reason.
func (r *Reader) revokeAll(ctx context.Context, leases map[string]*lease) (failed int, first error) {
	for id := range leases {
		by, err := r.session.ready(ctx)
		if err == nil {
			err = by.client.Sys().RevokeWithContext(ctx, id)
		}
		if err != nil {
			failed++
			if first == nil {
				first = err
			}
		}
	}
	return failed, first
}

var errClosed = &failure{hush.ErrUnavailable, errors.New("the reader is closed")}
