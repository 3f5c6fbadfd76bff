package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/internal/limit"
)

// enough is when a store that takes its time is not asked again.
const enough = 2 * time.Second

// A probe is what one link said.
type probe struct {
	link   config.OpenStore
	ref    hush.Ref
	given  bool // the ref is the user's
	last   bool // of the chain
	secret hush.Secret
	err    error // nil: secret is the answer
	class  hush.Class
	took   []time.Duration
	failed int // of them
}

func newProbe(l config.OpenStore, ref hush.Ref, given bool) *probe {
	ref.Field = "" // which the chain takes from what the stores answer
	return &probe{link: l, ref: ref, given: given}
}

// ask asks up to tries times. A failure that is none of the others' is the answer,
// whatever came after it.
func (p *probe) ask(ctx context.Context, tries int, timeout time.Duration) {
	began := time.Now()
	for range tries {
		start := time.Now()
		secret, err := p.once(ctx, cmp.Or(p.link.Timeout, timeout))
		p.took = append(p.took, time.Since(start))
		p.note(secret, err)
		if ctx.Err() != nil || time.Since(began) > enough || p.class == hush.ErrThrottled {
			return
		}
	}
}

func (p *probe) note(secret hush.Secret, err error) {
	var class hush.Class
	if err != nil {
		class = hush.ClassOf(err)
	}
	if isFailure(class) {
		p.failed++
	}
	if !isFailure(p.class) {
		p.secret, p.err, p.class = secret, err, class
	}
}

func (p *probe) once(ctx context.Context, timeout time.Duration) (hush.Secret, error) {
	limited, cancel := limit.Context(ctx, timeout, "an answer")
	defer cancel()
	secret, err := p.link.Provider.Get(limited, p.ref)
	if hush.ClassOf(err) == hush.ErrCanceled && ctx.Err() == nil { // else it is the last answer that counts
		err = hush.NewError(p.link.Name, p.ref, hush.ErrUnavailable, errors.New(context.Cause(limited).Error()))
	}
	return secret, err
}

// isFailure reports whether class is that of a store or a credential that does not
// work, and not the answer of one that does.
func isFailure(class hush.Class) bool {
	switch class {
	case hush.ErrUnavailable, hush.ErrThrottled, hush.ErrUnauthenticated, hush.ErrCanceled:
		return true
	}
	return false
}

// ill reports whether something is to be done about the link.
func (p *probe) ill() bool {
	return isFailure(p.class) || p.given && p.class == hush.ErrDenied || p.mountless()
}

// median returns the median of the times that answers took, and worst the longest.
func (p *probe) median() time.Duration {
	sorted := slices.Sorted(slices.Values(p.took))
	return sorted[(len(sorted)-1)/2]
}

func (p *probe) worst() time.Duration { return slices.Max(p.took) }

// answer says what the store answered.
func (p *probe) answer() string {
	if p.class == 0 {
		return "a secret"
	}
	return p.class.Error()
}

// detail is the failure in words, of which none is a secret.
func (p *probe) detail() string {
	if p.err == nil {
		return ""
	}
	e, ok := errors.AsType[*hush.Error](p.err)
	if !ok {
		return p.class.Error() // another's error may say anything
	}
	text := hush.NewError(p.link.Name, hush.Ref{}, e.Class, e.Err).Error()
	return strings.NewReplacer( // what a program says in code
		"set Options.KV", "say kv=1 or kv=2 in its URL",
		"is Options.KV right?", "is kv in its URL right?",
		"see NewReader", "see the parameter mounts",
	).Replace(text)
}
