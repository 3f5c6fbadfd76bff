package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/limit"
	"github.com/hush-secrets/hush/internal/parallel"
)

// VerifyName is the name of the secret that Open requests with Config.Verify. No store
// needs to have it.
const VerifyName = "hush/probe"

const verifyTimeout = 10 * time.Second

// verifyAll calls all stores at the same time.
func verifyAll(ctx context.Context, stores []OpenStore) error {
	errs := make([]error, len(stores))
	absent := map[string]bool{}
	parallel.Each(len(stores), len(stores), func(i int) { errs[i] = verify(ctx, stores[i]) })
	for i, s := range stores {
		absent[s.Name] = hush.ClassOf(errs[i]) == hush.ErrAbsent
	}
	var failures, absences []error
	for i, s := range stores {
		switch class := hush.ClassOf(errs[i]); {
		case class == hush.ErrAbsent:
			absences = append(absences, fmt.Errorf("config: provider %q: %w", s.Name, errs[i]))
		case s.Front != "" && !absent[s.Front]:
		case class == hush.ErrUnavailable, class == hush.ErrUnauthenticated, class == hush.ErrCanceled:
			failures = append(failures, fmt.Errorf("config: provider %q: %w", s.Name, errs[i]))
		}
	}
	if len(absences) == len(stores) {
		return errors.Join(absences...)
	}
	return errors.Join(failures...)
}

// verify calls one store. If its time limit ends, the error is ErrUnavailable and does
// not look like the end of ctx.
func verify(ctx context.Context, s OpenStore) error {
	limited, cancel := limit.Context(ctx, cmp.Or(s.Timeout, verifyTimeout), s.Name)
	defer cancel()
	_, err := s.Provider.Get(limited, hush.Name(VerifyName))
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return hush.NewError(s.Name, hush.Name(VerifyName), hush.ErrUnavailable, errors.New(context.Cause(limited).Error()))
	}
	return err
}
