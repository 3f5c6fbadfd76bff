package vault

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/vault/internal/call"
	"github.com/hush-secrets/hush/vault/internal/route"
)

// begin starts to renew what s holds, or to ask for a new one. r.mu is held.
func (r *Reader) begin(ctx context.Context, path string, s *slot, renew bool) *work[*lease] {
	var w *work[*lease]
	held := s.held
	w = begin(ctx, r.session.now, r.session.timeout, func(ctx context.Context) (*lease, error) {
		next, err := call.Recover(ctx, func(ctx context.Context) (*lease, error) { return r.advance(ctx, path, held, renew) })
		r.mu.Lock()
		defer r.mu.Unlock()
		r.settle(path, s, s.pending == w && r.slots[path] == s, next, err)
		return next, err
	})
	return w
}

// settle keeps what a work ended with, unless a freeze outlived it. What others may
// still use is only remembered, to be revoked. r.mu is held.
func (r *Reader) settle(path string, s *slot, current bool, next *lease, err error) {
	now := r.session.now()
	switch {
	case !current:
		r.remember(next, now)
		return
	case err != nil:
		s.retry = now.Add(firstWait)
	default:
		if !s.held.is(next) {
			r.remember(s.held, now)
		}
		s.held, s.retry = next, clock.Instant{}
	}
	if s.held == nil || s.held.id == "" {
		delete(r.slots, path)
	}
}

// remember keeps what others may still use until Close revokes it. r.mu is held.
func (r *Reader) remember(l *lease, now clock.Instant) {
	if !r.revoke || l == nil || l.id == "" {
		return
	}
	r.old = append(slices.DeleteFunc(r.old, func(l *lease) bool { return now.Reached(l.end()) }), l)
}

// advance renews held, or asks for a new secret where that is refused or not wanted.
func (r *Reader) advance(ctx context.Context, path string, held *lease, renew bool) (*lease, error) {
	if r.isClosed() {
		return nil, errClosed
	}
	if renew {
		if next, err := r.renew(ctx, held); !isRefused(err) {
			return next, err
		}
		route.SetStatus(ctx, 0) // which is not the last word
	}
	return r.issue(ctx, path)
}

func (r *Reader) issue(ctx context.Context, path string) (*lease, error) {
	start := r.session.now()
	body, by, err := r.session.getAs(ctx, path, nil)
	if err != nil {
		return nil, missing(body, err, hush.Ref{}, "")
	}
	var answer struct {
		LeaseID       string `json:"lease_id"`
		LeaseDuration int    `json:"lease_duration"`
		Renewable     bool
		Data          json.RawMessage
	}
	if json.Unmarshal(body, &answer) != nil {
		return nil, errUnreadable
	}
	value, err := object(answer.Data)
	if err != nil {
		return nil, err
	}
	l := &lease{by: by, terms: newTerms(answer.LeaseDuration, answer.Renewable, start), secret: hush.Secret{Value: value, Source: source}}
	if answer.LeaseID != "" && answer.LeaseDuration > 0 {
		l.id, l.secret.Created = answer.LeaseID, start.Time()
		l.secret.Version = l.id[strings.LastIndexByte(l.id, '/')+1:]
	}
	if e, ok := errors.AsType[*hush.Error](l.secret.Validate()); ok {
		return nil, call.Fail(e.Class, e.Err)
	}
	return l, nil
}

// renew asks for more time for held. Where none is granted, because the lease has
// reached its longest life, it is not asked for again.
func (r *Reader) renew(ctx context.Context, held *lease) (*lease, error) {
	by, err := r.session.ready(ctx)
	if err != nil {
		return nil, err
	}
	start := r.session.now()
	answer, err := by.client.Get().Sys().RenewWithContext(ctx, held.id, 0) // as much as its role gives it
	if err != nil {
		return nil, err
	}
	if answer == nil || answer.LeaseDuration <= 0 {
		return nil, errUnreadable // which ends nothing
	}
	next := *held
	next.terms = newTerms(answer.LeaseDuration, answer.Renewable, start).after(held.terms)
	return &next, nil
}
