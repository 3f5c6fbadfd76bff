package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/hush-secrets/hush"
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

// secrets returns all of the secrets, or an error that names each that there is not.
// What was opened for them is then left open, because a store that gives out
// credentials takes them back when it is closed; done closes it.
func (a *asking) secrets(ctx context.Context, refs []hush.Ref) (secrets []hush.Secret, done func() error, err error) {
	if a.timeout <= 0 {
		return nil, nil, usageError{errors.New("--timeout takes a positive duration")}
	}
	if a.verbose {
		if err := os.Setenv(levelVariable, "debug"); err != nil {
			return nil, nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	p, err := a.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	// What ends with its answers has no use for the cache that is in front of these.
	results := hush.GetAll(ctx, p.Chain(), refs...)
	if err := failures(results); err != nil {
		_ = p.Close() // the failure that counts is that there is no secret
		return nil, nil, err
	}
	secrets = make([]hush.Secret, len(results))
	for i, r := range results {
		secrets[i] = r.Secret
	}
	return secrets, p.Close, nil
}

// parseRef reads a reference, with or without its urlPrefix.
func parseRef(text string) (hush.Ref, error) {
	return hush.ParseRef(strings.TrimPrefix(text, urlPrefix))
}
