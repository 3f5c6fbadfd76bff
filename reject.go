package hush

import (
	"errors"
	"fmt"
	"slices"
)

// RejectedSQL marks the error of a refused database login as ErrRejected, so that Use
// tries another secret. It wraps err in ErrRejected if any error in the tree of err has
// a method SQLState() string that returns 28P01 or 28000, as the errors of the
// PostgreSQL drivers do. It returns any other err unchanged, including nil.
func RejectedSQL(err error) error {
	if errors.Is(err, ErrRejected) || !refusesLogin(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrRejected, err)
}

// refusesLogin reports whether an error in the tree of err has the SQLState of a
// refused login. It walks the tree because errors.As stops at the first SQLState, and
// a connection to several hosts fails with one error for each.
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
