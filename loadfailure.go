package hush

import (
	"errors"
	"fmt"
	"strings"
)

// A loadFailure is one failure of Load, with all its fields. If all stores of a chain are
// down, every field fails with the same long text, which Load then prints once.
type loadFailure struct {
	text   string // without the references
	fields []string
	errs   []error // one for each field
}

// fail records the failure of a field.
func (l *loadCall) fail(field string, err error) {
	text := err.Error()
	if e, ok := err.(*Error); ok && e != nil { //nolint:errorlint // a wrapped one has text of its own
		text = commonText(e)
		if e.Ref != (Ref{}) {
			field = fmt.Sprintf("%s (%s)", field, quote(e.Ref.String()))
		}
	}
	for _, f := range l.failures {
		if f.text == text {
			f.fields, f.errs = append(f.fields, field), append(f.errs, err)
			return
		}
	}
	l.failures = append(l.failures, &loadFailure{text, []string{field}, []error{err}})
}

// commonText returns the text of e without the parts that differ between references:
// the reference itself and, in an outage of a chain, the causes of links that do not
// have the secret, such as the variable that env did not find.
func commonText(e *Error) string {
	cause := e.Err
	chain, ok := cause.(interface{ Attempts() []error })
	if ok && e.Class != ErrCanceled && e.Class != ErrNotFound {
		cause = errors.New(attemptTexts(chain.Attempts()))
	}
	return NewError(e.Provider, Ref{}, e.Class, cause).Error()
}

func attemptTexts(attempts []error) string {
	texts := make([]string, len(attempts))
	for i, attempt := range attempts {
		texts[i] = attempt.Error()
		if a, ok := errors.AsType[*Error](attempt); ok {
			cause := a.Err
			if a.Class == ErrNotFound {
				cause = nil
			}
			texts[i] = NewError(a.Provider, Ref{}, a.Class, cause).Error()
		}
	}
	return strings.Join(texts, "; ")
}

// err returns all failures as one error, or nil.
func (l *loadCall) err() error {
	errs := make([]error, len(l.failures))
	for i, f := range l.failures {
		errs[i] = f
	}
	return join(errs)
}

func (f *loadFailure) Error() string {
	fields := "field "
	if len(f.fields) > 1 {
		fields = "fields "
	}
	return "load: " + fields + strings.Join(f.fields, ", ") + ": " + f.text
}

func (f *loadFailure) Unwrap() []error { return f.errs }
