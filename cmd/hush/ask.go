package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// urlPrefix marks a reference among values that are none.
const urlPrefix = "hush://"

// asking is how a subcommand that asks once and ends asks the stores.
type asking struct {
	source
	timeout time.Duration
	verbose bool
}

func (a *asking) flags(flags *pflag.FlagSet) {
	a.source.flags(flags)
	flags.DurationVar(&a.timeout, "timeout", 10*time.Second, "give up after this long")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "log each call of a store, as HUSH_LOG_LEVEL=debug does")
}

// secrets returns all of the secrets, or what failed makes of the answers: an error
// if there is not every one. What was opened for them is then left open, because a
// store that gives out credentials takes them back when it is closed; done closes it.
func (a *asking) secrets(ctx context.Context, refs []hush.Ref, failed func([]hush.Result) error) (secrets []hush.Secret, done func() error, err error) {
	if a.timeout <= 0 {
		return nil, nil, usageError{errors.New("--timeout takes a positive duration")}
	}
	if a.verbose {
		if err := os.Setenv(levelVariable, "debug"); err != nil {
			return nil, nil, err
		}
	}
	limited, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	p, err := a.open(limited)
	if err != nil {
		return nil, nil, a.overtime(ctx, hush.Ref{}, err)
	}
	// What ends with its answers has no use for the cache that is in front of these.
	results := hush.GetAll(limited, p.Chain(), refs...)
	secrets = make([]hush.Secret, len(results))
	for i, r := range results {
		secrets[i], results[i].Err = r.Secret, a.overtime(ctx, refs[i], r.Err)
	}
	if err := failed(results); err != nil {
		_ = p.Close() // the failure that counts is that there is no secret
		return nil, nil, err
	}
	return secrets, p.Close, nil
}

// overtime returns err, or what it is if the context that was made of ctx for
// --timeout was over: to the stores it is the caller who gave up.
func (a *asking) overtime(ctx context.Context, ref hush.Ref, err error) error {
	if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) || hush.ClassOf(err) != hush.ErrCanceled {
		return err
	}
	who := "the stores"
	if failure, ok := errors.AsType[*chain.Failure](err); ok {
		for _, attempt := range failure.Attempts() {
			if e, ok := errors.AsType[*hush.Error](attempt); ok && e.Class == hush.ErrCanceled {
				who = e.Provider
			}
		}
	}
	late := fmt.Errorf("--timeout (%v) was over before %s answered", a.timeout, who)
	return storeError{error: hush.NewError("", ref, hush.ErrUnavailable, late)}
}

// parseRef reads a reference, with or without its urlPrefix. A URL is none, even if
// a store could have such a name: it is more likely to be a secret.
func parseRef(text string) (hush.Ref, error) {
	text = strings.TrimPrefix(text, urlPrefix)
	if strings.Contains(text, "://") {
		return hush.Ref{}, hush.NewError("", hush.Ref{}, hush.ErrInvalidRef, errors.New("it is a URL, and may be the secret itself: write %3A for a : in a name"))
	}
	return hush.ParseRef(text)
}
