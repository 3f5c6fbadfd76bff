package hush_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
)

type sqlError string

func (e sqlError) Error() string    { return "SQLSTATE " + string(e) }
func (e sqlError) SQLState() string { return string(e) }

func TestRejectedSQL(t *testing.T) {
	assert.NoError(t, hush.RejectedSQL(nil))
	for code, rejected := range map[string]bool{"28P01": true, "28000": true, "57P03": false, "28": false, "": false} {
		for _, err := range []error{
			sqlError(code), fmt.Errorf("connect: %w", sqlError(code)), errors.Join(errors.New("host a"), sqlError(code)),
		} {
			got := hush.RejectedSQL(err)
			assert.Equal(t, rejected, errors.Is(got, hush.ErrRejected), "%v", err)
			assert.ErrorIs(t, got, sqlError(code))
			if !rejected {
				assert.Equal(t, err, got, "as it is")
			}
		}
	}
	once := hush.RejectedSQL(sqlError("28000"))
	assert.Equal(t, once, hush.RejectedSQL(once))
	assert.EqualError(t, once, "rejected: SQLSTATE 28000")
	other := errors.New("refused")
	assert.Equal(t, other, hush.RejectedSQL(other))
}

// A driver that tries several hosts joins their errors. One refusal is enough.
func TestRejectedSQLOfSeveralHosts(t *testing.T) {
	const starting, refused = sqlError("57P03"), sqlError("28P01")
	for name, err := range map[string]error{
		"second":        errors.Join(starting, refused),
		"first":         errors.Join(refused, starting),
		"nested":        fmt.Errorf("connect: %w", errors.Join(starting, fmt.Errorf("host b: %w", errors.Join(starting, refused)))),
		"below another": wrappedState{starting, refused},
	} {
		got := hush.RejectedSQL(err)
		assert.ErrorIs(t, got, hush.ErrRejected, name)
		assert.ErrorIs(t, got, err, name)
	}
	assert.NotErrorIs(t, hush.RejectedSQL(errors.Join(starting, starting)), hush.ErrRejected)
}

// A wrappedState has a SQLState and wraps an error with another SQLState.
type wrappedState struct {
	sqlError
	cause error
}

func (e wrappedState) Unwrap() error { return e.cause }
