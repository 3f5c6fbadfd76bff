package main

import (
	"context"
	"errors"
	"fmt"
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

// A usageError is a mistake of the user: in the command line or in the configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// A storeError is a failure to get secrets. Its class decides the exit status.
type storeError struct {
	error
	each []error // the single failures; nil if there is one
}

func (e storeError) Unwrap() error { return e.error }

// A variableError is the failure to get the secret for a variable.
type variableError struct {
	error
	variable variable
}

func (e variableError) Unwrap() error { return e.error }

// A codeError has its own exit status.
type codeError struct {
	error
	code int
}

func (e codeError) Unwrap() error { return e.error }

// errReported marks a failure that the user already knows of.
var errReported = errors.New("reported")

// joinFailures returns a storeError for the failures in results, or nil. wrap, if it is
// not nil, adds context to failure i. Failures with the same text are reported once.
func joinFailures(results []hush.Result, wrap func(i int, err error) error) error {
	all := hush.Errors(results)
	if all == nil {
		return nil
	}
	var each []error
	seen := map[string]bool{}
	for i, r := range results {
		err := r.Err
		if err == nil {
			continue
		}
		if wrap != nil {
			err = wrap(i, err)
		}
		if text := explainOne(err); !seen[text] {
			seen[text] = true
			each = append(each, err)
		}
	}
	return storeError{all, each}
}

// exitCode returns the exit status for err, which may be nil.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[codeError](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[storeError](err); ok {
		if code, ok := classCodes[hush.ClassOf(err)]; ok {
			return code
		}
	} else if errors.Is(err, context.Canceled) {
		return classCodes[hush.ErrCanceled]
	}
	return exitFailure
}

// explain returns err as text for people. Each failure has a line. If a chain has
// called several stores, each of its attempts has a line below that.
func explain(err error) string {
	e, ok := errors.AsType[storeError](err)
	if !ok || len(e.each) == 0 {
		return explainOne(err)
	}
	texts := make([]string, len(e.each))
	for i, failure := range e.each {
		texts[i] = explainOne(failure)
	}
	return strings.Join(texts, "\n")
}

func explainOne(err error) string {
	v, ofVariable := errors.AsType[variableError](err)
	failure, ofChain := errors.AsType[*chain.Failure](err)
	context := v.variable.origin + " " + v.variable.name + ": "
	switch {
	case ofVariable && !ofChain:
		return context + withoutRef(err, v.variable.inFile)
	case !ofChain:
		return err.Error()
	}
	var b strings.Builder
	if ofVariable {
		b.WriteString(context + hush.ClassOf(err).Error())
	} else if e, ok := errors.AsType[*hush.Error](err); ok {
		_, _ = fmt.Fprintf(&b, "%s: %q", hush.ClassOf(err), e.Ref.String())
	} else {
		b.WriteString(hush.ClassOf(err).Error())
	}
	for _, attempt := range failure.Attempts() {
		b.WriteString("\n  " + withoutRef(attempt, v.variable.inFile))
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
