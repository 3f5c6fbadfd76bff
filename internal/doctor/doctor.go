// Package doctor examines configured stores one by one. For each store it reports
// whether the store can be reached and accepts the credential, how long it takes to
// respond, what the chain does with the result, and what to do about a failure.
package doctor

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/internal/parallel"
)

// probeName is the secret to request if there is no Ref. No store needs to have it.
const probeName = config.VerifyName

// Options configure Examine.
type Options struct {
	// Ref is the secret to request. Zero means hush/probe, which no store needs to
	// have: a healthy store responds that it has no such secret, or denies it.
	Ref hush.Ref

	// Tries is the number of requests to each store. A store that is slow or throttles
	// gets fewer.
	Tries int

	// Timeout is for one request to a store that has no timeout of its own.
	Timeout time.Duration
}

// An Examination has the results of all stores.
type Examination struct {
	ref       hush.Ref
	given     bool // Options.Ref is set, so that a secret is expected
	platforms []platform
	warnings  []string
	probes    []*probe
	overall   overall
}

// Examine queries all stores at the same time. It returns an error only if ctx ends.
func Examine(ctx context.Context, stores []config.OpenStore, opts Options) (*Examination, error) {
	e := &Examination{
		ref: opts.Ref, given: opts.Ref != hush.Ref{}, platforms: detectPlatforms(machine{os.Getenv, "/"}), warnings: variableWarnings(),
	}
	if !e.given {
		e.ref = hush.Name(probeName)
	}
	for i, store := range stores {
		p := newProbe(store, e.ref, e.given)
		p.last, p.platforms = i == len(stores)-1, e.platforms
		e.probes = append(e.probes, p)
	}
	parallel.Each(len(e.probes), len(e.probes), func(i int) { e.probes[i].run(ctx, opts.Tries, opts.Timeout) })
	if ctx.Err() != nil {
		return nil, fmt.Errorf("interrupted: %w", ctx.Err())
	}
	e.overall = replay(ctx, e.probes, e.ref)
	return e, nil
}

// variableWarnings returns a warning for each variable that may be misspelled.
func variableWarnings() []string {
	var warnings []string
	for _, name := range config.IgnoredVariables(os.Environ()) {
		warnings = append(warnings, fmt.Sprintf("unknown variable %.80q is ignored; 'hush help configuration' lists all variables", name))
	}
	return warnings
}

// Verdict returns an error unless all is well. Its class is zero if one of the stores
// failed, but the stores together work.
func (e *Examination) Verdict() (hush.Class, error) {
	if class := e.overall.class; class != 0 && (e.given || !healthy(class)) {
		return class, fmt.Errorf("all stores together: %s", e.overall)
	}
	failed := 0
	for _, p := range e.probes {
		if p.hasFailed() {
			failed++
		}
	}
	if failed > 0 {
		return 0, fmt.Errorf("%d of %d stores failed; the others are enough", failed, len(e.probes))
	}
	return 0, nil
}

// healthy reports whether class is the result of a healthy store for a secret that
// does not need to exist.
func healthy(class hush.Class) bool {
	return class == hush.ErrNotFound || class == hush.ErrDenied || class == hush.ErrRefused
}
