package hush

import (
	"errors"
	"fmt"
)

// RejectedSQL returns err so that it matches ErrRejected if an error in its tree
// has a method SQLState() string that answers 28P01 or 28000, as those of
// PostgreSQL's drivers do when the server refuses a login. Any other err, nil
// included, is returned as it is.
func RejectedSQL(err error) error {
	const invalidPassword, invalidAuthorization = "28P01", "28000"
	state, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err)
	if !ok || errors.Is(err, ErrRejected) {
		return err
	}
	switch state.SQLState() {
	case invalidPassword, invalidAuthorization:
		return fmt.Errorf("%w: %w", ErrRejected, err)
	}
	return err
}
