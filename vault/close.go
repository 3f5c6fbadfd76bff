package vault

import (
	"context"
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

// maxRevocations is the maximum number of concurrent requests of Close.
const maxRevocations = 8

var errClosed = call.Failf(hush.ErrUnavailable, "the reader is closed")

// Close closes the Reader: each later Get fails with ErrUnavailable. If RevokeOnClose is
// set, Close revokes the leases that have not expired. The token's policy must allow
// update on sys/leases/revoke. A lease that Close could not revoke expires, and the error
// has the class of one such failure. A second Close does nothing.
func (r *Reader) Close() error {
	r.mu.Lock()
	isFirst := !r.closed
	r.closed = true
	var pending []*flight[*lease]
	for _, s := range r.slots {
		if s.pending != nil {
			pending = append(pending, s.pending)
		}
	}
	r.mu.Unlock()
	if !isFirst || !r.revoke || r.session.fault != nil {
		return nil
	}
	caller := context.Background()
	ctx, cancel := limit.Context(caller, r.session.flightTimeout, "Vault")
	defer cancel()
	ctx, statuses := route.WithStatusRecorder(ctx)
	for _, f := range pending {
		_, _ = f.wait(ctx) // its lease is then among the usable ones
	}
	leases := r.usableLeases()
	failed, err := r.revokeAll(ctx, leases)
	if err == nil {
		return nil
	}
	e := classify(caller, ctx, statuses, err)
	return hush.NewError(source, hush.Ref{}, e.Class, fmt.Errorf("%d of %d leases are not revoked: %w", failed, len(leases), e.Err))
}

func (r *Reader) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// usableLeases returns the leases that have not expired. Each is returned once, although
// a flight that a freeze interrupted may have left it twice.
func (r *Reader) usableLeases() []*lease {
	r.mu.Lock()
	defer r.mu.Unlock()
	byID, now := map[string]*lease{}, r.session.now()
	for _, l := range r.replaced {
		byID[l.id] = l
	}
	for _, s := range r.slots {
		if s.current != nil {
			byID[s.current.id] = s.current
		}
	}
	maps.DeleteFunc(byID, func(_ string, l *lease) bool { return !l.isUsable(now) })
	return slices.Collect(maps.Values(byID))
}

// revokeAll returns the number of leases that it could not revoke, and the error of one.
func (r *Reader) revokeAll(ctx context.Context, leases []*lease) (failed int, reason error) {
	var mu sync.Mutex
	parallel.Each(len(leases), maxRevocations, func(i int) {
		if err := r.revokeOne(ctx, leases[i]); err != nil {
			mu.Lock()
			defer mu.Unlock()
			failed++
			reason = err
		}
	})
	return failed, reason
}

// revokeOne revokes l. After a 403 it logs in again, which may show that the lease ended
// with its token.
func (r *Reader) revokeOne(ctx context.Context, l *lease) error {
	login, err := r.session.login(ctx)
	if err != nil {
		return err
	}
	err = login.client.Get().Sys().RevokeWithContext(ctx, l.id)
	if !isForbidden(err) {
		return err
	}
	next, loginErr := r.session.loginAfterDenial(ctx, login)
	switch {
	case l.login.revoked.Load():
		return nil
	case loginErr != nil:
		return loginErr
	case next == login:
		return err
	}
	return next.client.Get().Sys().RevokeWithContext(ctx, l.id)
}
