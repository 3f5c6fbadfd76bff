package params

import "strings"

// Faults are what is wrong with one URL. They are told at once, in one line.
type Faults []error

// Add adds err, if there is one.
func (f *Faults) Add(err error) {
	if err != nil {
		*f = append(*f, err)
	}
}

// Err returns the faults as one error, nil if there are none.
func (f Faults) Err() error {
	switch len(f) {
	case 0:
		return nil
	case 1:
		return f[0]
	}
	return &faultsError{f}
}

type faultsError struct{ faults []error }

func (e *faultsError) Error() string {
	texts := make([]string, len(e.faults))
	for i, err := range e.faults {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (e *faultsError) Unwrap() []error { return e.faults }
