package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/config/all"
)

// refPrefix marks a reference where other values are possible.
const refPrefix = "hush://"

// A fetcher gets secrets for a command that ends when it has them.
type fetcher struct {
	source
	timeout time.Duration
	verbose bool
}

func (f *fetcher) addFlags(flags *pflag.FlagSet) {
	f.source.addFlags(flags)
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "time limit for getting all secrets")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log each call of a store, as HUSH_LOG_LEVEL=debug does")
}

// fetch returns all secrets, or an error that lists every failure with the texts
// of explain. On success the stores stay open, because closing can revoke leases that
// the secrets belong to. The caller may call closeStores.
func (f *fetcher) fetch(ctx context.Context, refs []hush.Ref, explain func(i int, err error) string) (secrets []hush.Secret, closeStores func() error, err error) {
	if f.timeout <= 0 {
		return nil, nil, usageError(errors.New("--timeout must be positive"))
	}
	var settings []string
	if f.verbose {
		settings = []string{"HUSH_LOG_LEVEL=debug"}
	}
	cfg, err := f.read([]string{"extension", "direct", "env"}, settings...)
	if err != nil {
		return nil, nil, err
	}
	limited, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	p, err := f.open(limited, cfg, all.Schemes())
	if err != nil {
		return nil, nil, f.asTimeout(ctx, hush.Ref{}, err)
	}
	results := hush.GetAll(limited, p.Chain(), refs...) // a cache would be of no use
	secrets = make([]hush.Secret, len(results))
	for i, r := range results {
		secrets[i], results[i].Err = r.Secret, f.asTimeout(ctx, refs[i], r.Err)
	}
	if err := joinFailures(results, explain); err != nil {
		_ = p.Close() // the missing secret is what the user has to know
		return nil, nil, err
	}
	return secrets, p.Close, nil
}

// asTimeout returns err, or an ErrUnavailable that names --timeout if that was exceeded.
// The stores report it as ErrCanceled, because they see the end of the caller's context.
func (f *fetcher) asTimeout(ctx context.Context, ref hush.Ref, err error) error {
	if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) || hush.ClassOf(err) != hush.ErrCanceled {
		return err
	}
	waitingFor := "the stores"
	if failure, ok := errors.AsType[*chain.Failure](err); ok {
		for _, attempt := range failure.Attempts() {
			if e, ok := errors.AsType[*hush.Error](attempt); ok && e.Class == hush.ErrCanceled {
				waitingFor = e.Provider
			}
		}
	}
	exceeded := fmt.Errorf("--timeout (%v) exceeded while waiting for %s", f.timeout, waitingFor)
	return storeError(hush.NewError("", ref, hush.ErrUnavailable, exceeded))
}

// parseRef parses a reference with or without refPrefix. It rejects other URLs, because
// they are more likely to be secrets than names.
func parseRef(text string) (hush.Ref, error) {
	text = strings.TrimPrefix(text, refPrefix)
	if strings.Contains(text, "://") {
		return hush.Ref{}, hush.NewError("", hush.Ref{}, hush.ErrInvalidRef, errors.New("this is a URL, which may be the secret itself: write %3A for a : in a name"))
	}
	return hush.ParseRef(text)
}
