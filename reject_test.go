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
