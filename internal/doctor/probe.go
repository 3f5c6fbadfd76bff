package doctor

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/internal/limit"
)

// maxProbeTime is the time after which a store gets no further request.
const maxProbeTime = 2 * time.Second

// A probe is the result of the requests to one store.
type probe struct {
	store     config.OpenStore
	ref       hush.Ref
	given     bool // the user gave the reference
	platforms []platform
	last      bool // in the chain
	secret    hush.Secret
	err       error
	class     hush.Class // zero if err is nil
	durations []time.Duration
	failed    int // number of requests
}

func newProbe(store config.OpenStore, ref hush.Ref, given bool) *probe {
	ref.Field = "" // the chain selects the field
	return &probe{store: store, ref: ref, given: given}
}

// run sends up to tries requests. The first failure is the result, even if a later
// request succeeds.
func (p *probe) run(ctx context.Context, tries int, timeout time.Duration) {
	begin := time.Now()
	for range tries {
		start := time.Now()
		secret, err := p.get(ctx, cmp.Or(p.store.Timeout, timeout))
		p.durations = append(p.durations, time.Since(start))
		p.record(secret, err)
		if ctx.Err() != nil || time.Since(begin) > maxProbeTime || p.class == hush.ErrThrottled {
			return
		}
	}
}

func (p *probe) record(secret hush.Secret, err error) {
	class := hush.ClassOf(err)
	if isFailure(class) {
		p.failed++
	}
	if !isFailure(p.class) {
		p.secret, p.err, p.class = secret, err, class
	}
}

// get sends one request. If the timeout cuts it off, the error is ErrUnavailable, or the
// failure that the store reported before.
func (p *probe) get(ctx context.Context, timeout time.Duration) (hush.Secret, error) {
	limited, cancel := limit.Context(ctx, timeout, "a response")
	defer cancel()
	secret, err := p.store.Provider.Get(limited, p.ref)
	if hush.ClassOf(err) == hush.ErrCanceled && ctx.Err() == nil {
		cause := cmp.Or(context.Cause(limited), errCanceledByStore)
		err = hush.NewError(p.store.Name, p.ref, hush.ErrUnavailable, errors.New(cause.Error()))
	}
	return secret, err
}

var errCanceledByStore = errors.New("the store canceled the request, although no timeout had passed")

// isFailure reports whether class means that the store or the credential does not work.
func isFailure(class hush.Class) bool {
	switch class {
	case hush.ErrUnavailable, hush.ErrThrottled, hush.ErrUnauthenticated, hush.ErrCanceled:
		return true
	}
	return false
}

// hasFailed reports whether the operator has to do something about the store.
func (p *probe) hasFailed() bool {
	return isFailure(p.class) || p.given && p.class == hush.ErrDenied || p.noMount()
}

func (p *probe) median() time.Duration {
	sorted := slices.Sorted(slices.Values(p.durations))
	return sorted[(len(sorted)-1)/2]
}

// result returns the class in words.
func result(class hush.Class) string {
	if class == 0 {
		return "a secret"
	}
	return class.Error()
}

// detail returns the text of the failure, or "". It quotes no secret.
func (p *probe) detail() string {
	if p.err == nil {
		return ""
	}
	e, ok := errors.AsType[*hush.Error](p.err)
	if !ok {
		return p.class.Error() // the text of a foreign error may quote anything
	}
	return hush.NewError(p.store.Name, hush.Ref{}, e.Class, e.Err).Error()
}
