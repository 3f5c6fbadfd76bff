package hush

import (
	"fmt"
	"strings"
)

// A loadFailure is one failure of Load, with every field that it concerns. A chain
// whose stores are all down fails with the same long text for each field.
type loadFailure struct {
	text   string // without the references
	fields []string
	errs   []error // one for each field
}

// fail records that a field has no value.
func (l *loading) fail(field string, err error) {
	text := err.Error()
	if e, ok := err.(*Error); ok { //nolint:errorlint // a wrapped one has text of its own
		text = NewError(e.Provider, Ref{}, e.Class, e.Err).Error()
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

// err returns all failures as one error, or nil.
func (l *loading) err() error {
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
