package config

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/limit"
	"github.com/hush-secrets/hush/internal/parallel"
)

// VerifyName is the name that Verify asks for, and that any link can be asked for
// without reading a secret. No store needs to have it.
const VerifyName = "hush/probe"

const verifyTimeout = 10 * time.Second

// verifyAll asks each link once, all at the same time.
func verifyAll(ctx context.Context, links []OpenStore) error {
	errs := make([]error, len(links))
	absent := map[string]bool{}
	parallel.Each(len(links), len(links), func(i int) { errs[i] = verifyLink(ctx, links[i]) })
	for i, l := range links {
		absent[l.Name] = hush.ClassOf(errs[i]) == hush.ErrAbsent
	}
	var failures, absences []error
	for i, l := range links {
		store := l.Front
		switch class := hush.ClassOf(errs[i]); {
		case class == hush.ErrAbsent:
			absences = append(absences, fmt.Errorf("config: link %q: %w", l.Name, errs[i]))
		case store != "" && !absent[store]:
		case class == hush.ErrUnavailable, class == hush.ErrUnauthenticated, class == hush.ErrCanceled:
			failures = append(failures, fmt.Errorf("config: link %q: %w", l.Name, errs[i]))
		}
	}
	if len(absences) == len(links) {
		return errors.Join(absences...)
	}
	return errors.Join(failures...)
}

// verifyLink asks one link, whose own limit looks like nobody else's.
func verifyLink(ctx context.Context, l OpenStore) error {
	d := l.Timeout
	if d == 0 {
		d = verifyTimeout
	}
	limited, cancel := limit.Context(ctx, d, l.Name)
	defer cancel()
	_, err := l.Provider.Get(limited, hush.Name(VerifyName))
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return hush.NewError(l.Name, hush.Name(VerifyName), hush.ErrUnavailable, errors.New(context.Cause(limited).Error()))
	}
	return err
}
