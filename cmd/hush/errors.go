package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// The exit statuses that belong to no class. The last two are those that shells, env
// and nohup use.
const (
	exitFailure       = 1
	exitUsage         = 2
	exitNotExecutable = 126
	exitNotFound      = 127
)

// classCodes are the exit statuses of classes, which scripts rely on.
var classCodes = map[hush.Class]int{
	hush.ErrInvalidRef:      exitUsage,
	hush.ErrNotFound:        3,
	hush.ErrDenied:          4,
	hush.ErrUnauthenticated: 5,
	hush.ErrThrottled:       6,
	hush.ErrUnavailable:     7,
	hush.ErrRefused:         8,
	hush.ErrAbsent:          9,
	hush.ErrUnsupported:     10,
	hush.ErrCanceled:        130,
}

const classHelp = `    2  the command line, the configuration or the reference is invalid
    3  not found: every available store reports that it has no such secret
    4  denied
    5  unauthenticated: hush's own credential is missing, invalid or expired
    6  throttled
    7  unavailable: a store gave no usable response in time
    8  refused: a store refused without a reason
    9  absent: no store is available
   10  unsupported: no store supports a part of the reference
  130  interrupted by a signal

If several secrets fail, the first outage (6 to 9) decides, or else the first failure
other than 3.`

// An exitError decides the exit status.
type exitError struct {
	error
	code int
}

func (e exitError) Unwrap() error { return e.error }

// usageError returns err, a mistake of the user, with its exit status.
func usageError(err error) error { return exitError{err, exitUsage} }

// storeError returns err, a failure to get secrets, with the exit status of its class.
func storeError(err error) error {
	return exitError{err, cmp.Or(classCodes[hush.ClassOf(err)], exitFailure)}
}

// errReported marks an exit status that needs no message.
var errReported = errors.New("reported")

// exitCode returns the exit status for err, which may be nil.
func exitCode(err error) int {
	if e, ok := errors.AsType[exitError](err); ok {
		return e.code
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		return classCodes[hush.ErrCanceled]
	}
	return exitFailure
}

// joinFailures returns one error for the failures in results, or nil. explain returns
// the text of failure i. Failures with the same text are reported once.
func joinFailures(results []hush.Result, explain func(i int, err error) string) error {
	err := hush.Errors(results)
	if err == nil {
		return nil
	}
	var texts []string
	for i, r := range results {
		if r.Err == nil {
			continue
		}
		if text := explain(i, r.Err); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return exitError{errors.New(strings.Join(texts, "\n")), exitCode(storeError(err))}
}

// explain returns the text of a failure to get a secret for a request. If a chain has
// called several stores, each attempt has a line.
func explain(err error) string {
	e, _ := errors.AsType[*hush.Error](err)
	failure, ok := errors.AsType[*chain.Failure](err)
	if !ok {
		return err.Error()
	}
	return fmt.Sprintf("%s: %q", e.Class, e.Ref) + attempts(failure, false)
}

// explain returns the text of a failure to get the secret for v.
func (v variable) explain(err error) string {
	prefix := v.origin + " " + v.name + ": "
	if failure, ok := errors.AsType[*chain.Failure](err); ok {
		return prefix + hush.ClassOf(err).Error() + attempts(failure, v.inFile)
	}
	return prefix + withoutRef(err, v.inFile)
}

func attempts(failure *chain.Failure, hideCause bool) string {
	var b strings.Builder
	for _, attempt := range failure.Attempts() {
		b.WriteString("\n  " + withoutRef(attempt, hideCause))
	}
	return b.String()
}

// withoutRef returns the text of err without the reference. If hideCause is set, it
// also omits causes that quote the reference, which may be a misplaced secret.
func withoutRef(err error, hideCause bool) string {
	e, ok := errors.AsType[*hush.Error](err)
	if !ok {
		return err.Error()
	}
	cause := e.Err
	switch e.Class {
	case hush.ErrNotFound, hush.ErrDenied, hush.ErrRefused, hush.ErrUnsupported, hush.ErrInvalidRef:
		if hideCause {
			cause = nil
		}
	}
	return hush.NewError(e.Provider, hush.Ref{}, e.Class, cause).Error()
}
