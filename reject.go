package hush

import (
	"errors"
	"fmt"
	"slices"
)

// RejectedSQL returns err so that it matches ErrRejected if any error in its tree has
// a method SQLState() string that returns 28P01 or 28000. The errors of PostgreSQL's
// drivers do if the server refuses a login. With several hosts, one refusal is enough.
// RejectedSQL returns any other err, nil included, unchanged.
func RejectedSQL(err error) error {
	if errors.Is(err, ErrRejected) || !refusesLogin(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrRejected, err)
}

// refusesLogin reports whether an error in the tree of err has the SQLState of a
// refused login. errors.As does not do, because it stops at the first SQLState.
func refusesLogin(err error) bool {
	const invalidPassword, invalidAuthorization = "28P01", "28000"
	if e, ok := err.(interface{ SQLState() string }); ok {
		if state := e.SQLState(); state == invalidPassword || state == invalidAuthorization {
			return true
		}
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return refusesLogin(e.Unwrap())
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), refusesLogin)
	}
	return false
}
