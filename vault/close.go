package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/limit"
	"github.com/hush-secrets/hush/internal/parallel"
	"github.com/hush-secrets/hush/vault/internal/call"
	"github.com/hush-secrets/hush/vault/internal/route"
)

// Close ends the Reader: every Get from now on is ErrUnavailable. If RevokeOnClose
// is set it revokes what it has given out and what has not ended, which the token's
// policy must allow on sys/leases/revoke; what could not be revoked ends by itself,
// and the error has the class of one that could not. A second Close does
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
	ctx, x := route.WithStatusRecorder(ctx)
	for _, w := range works {
		_, _ = w.wait(ctx) // what it gives is among the leases then
	}
	leases := r.outstanding()
	failed, err := r.revokeAll(ctx, leases)
	if err == nil {
		return nil
	}
	e := classify(caller, ctx, x, err)
	return hush.NewError(source, hush.Ref{}, e.Class, fmt.Errorf("%d of %d leases are not revoked: %w", failed, len(leases), e.Err))
}

func (r *Reader) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// outstanding returns the leases that have not ended, each once: what a freeze cut
// off may have come twice.
func (r *Reader) outstanding() []*lease {
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
	return slices.Collect(maps.Values(live))
}

// revokeAll returns how many of leases it could not revoke, and a reason.
func (r *Reader) revokeAll(ctx context.Context, leases []*lease) (failed int, reason error) {
	var mu sync.Mutex
	parallel.Each(len(leases), 8, func(i int) {
		if err := r.revokeOne(ctx, leases[i]); err != nil {
			mu.Lock()
			defer mu.Unlock()
			failed++
			reason = err
		}
	})
	return failed, reason
}

// revokeOne revokes l, with another login after a 403, which may show that l has
// ended with its token.
func (r *Reader) revokeOne(ctx context.Context, l *lease) error {
	by, err := r.session.ready(ctx)
	if err != nil {
		return err
	}
	err = by.client.Get().Sys().RevokeWithContext(ctx, l.id)
	if !isForbidden(err) {
		return err
	}
	next, again := r.session.again(ctx, by)
	switch {
	case l.by.dead.Load():
		return nil
	case again != nil:
		return again
	case next == by:
		return err
	}
	return next.client.Get().Sys().RevokeWithContext(ctx, l.id)
}

var errClosed = call.Fail(hush.ErrUnavailable, errors.New("the reader is closed"))
