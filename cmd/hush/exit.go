package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// The exit statuses. Those of the classes are part of the command's contract; the
// last two are what shells, env and nohup say of a command.
const (
	exitFailure       = 1
	exitUsage         = 2
	exitNotExecutable = 126
	exitNoCommand     = 127
)

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

const classHelp = `    2  the command line, the configuration or the reference is wrong
    3  not found: every store that is there says that it has no such secret
    4  denied
    5  unauthenticated: our own credential is missing, wrong or expired
    6  throttled
    7  unavailable: a store gave no usable answer, or none in time
    8  refused: a store refused and does not say why
    9  absent: no store is there
   10  unsupported: no store can honour a part of the reference
  130  interrupted by a signal

Of several failures the first outage decides (6 to 9), else the first that is not 3.`

// A storeError is a failure to get secrets, and not of the command itself.
type storeError struct {
	error
	each []error // of several; nil: it is one
}

func (e storeError) Unwrap() error { return e.error }

// failures returns all failures there are as one, nil if there is none.
func failures(results []hush.Result) error {
	all := hush.Errors(results)
	if all == nil {
		return nil
	}
	var each []error
	seen := map[string]bool{}
	for _, r := range results {
		if r.Err != nil && !seen[r.Err.Error()] {
			seen[r.Err.Error()] = true
			each = append(each, r.Err)
		}
	}
	return storeError{all, each}
}

// unset returns all failures there are as one, nil if there is none, each as that of
// the variable which it leaves without a secret.
func unset(variables []variable, results []hush.Result) error {
	all := hush.Errors(results)
	if all == nil {
		return nil
	}
	var each []error
	for i, r := range results {
		if r.Err != nil {
			each = append(each, unsetError{r.Err, variables[i]})
		}
	}
	return storeError{all, each}
}

// An unsetError is why a variable has no secret.
type unsetError struct {
	error
	variable variable
}

func (e unsetError) Unwrap() error { return e.error }

// A usageError is a command line that means nothing.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errQuiet is for a failure that has been told.
var errQuiet = errors.New("told")

// A codeError has an exit status of its own.
type codeError struct {
	error
	code int
}

func (e codeError) Unwrap() error { return e.error }

func exitCode(err error) int {
	if e, ok := errors.AsType[codeError](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[storeError](err); !ok {
		if errors.Is(err, context.Canceled) {
			return classCodes[hush.ErrCanceled]
		}
		return exitFailure
	}
	if code, ok := classCodes[hush.ClassOf(err)]; ok {
		return code
	}
	return exitFailure
}

// explain returns err as text for people: what each failure is, with a line for each
// store where a chain asked several.
func explain(err error) string {
	several, ok := errors.AsType[storeError](err)
	if !ok || len(several.each) == 0 {
		return explainOne(err)
	}
	texts := make([]string, len(several.each))
	for i, one := range several.each {
		texts[i] = explainOne(one)
	}
	return strings.Join(texts, "\n")
}

func explainOne(err error) string {
	v, unset := errors.AsType[unsetError](err)
	failure, several := errors.AsType[*chain.Failure](err)
	if !several && !unset {
		return err.Error()
	}
	var b strings.Builder
	switch e, ok := errors.AsType[*hush.Error](err); {
	case unset && !several:
		return v.variable.from + " " + v.variable.name + ": " + brief(err, v.variable.file)
	case unset:
		b.WriteString(v.variable.from + " " + v.variable.name + ": " + hush.ClassOf(err).Error())
	case ok:
		_, _ = fmt.Fprintf(&b, "%s: %q", hush.ClassOf(err), e.Ref.String())
	default:
		b.WriteString(hush.ClassOf(err).Error())
	}
	for _, attempt := range failure.Attempts() {
		b.WriteString("\n  " + brief(attempt, v.variable.file))
	}
	return b.String()
}

// brief returns an attempt without the reference, which is the same for all, and if
// it is to be hidden without what an answer about it says, which quotes it.
func brief(attempt error, hidden bool) string {
	e, ok := errors.AsType[*hush.Error](attempt)
	if !ok {
		return attempt.Error()
	}
	cause := e.Err
	switch e.Class {
	case hush.ErrNotFound, hush.ErrDenied, hush.ErrRefused, hush.ErrUnsupported, hush.ErrInvalidRef:
		if hidden {
			cause = nil
		}
	}
	return hush.NewError(e.Provider, hush.Ref{}, e.Class, cause).Error()
}
