package hush_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/env"
)

// The text of an outage is long and the same for each field.
func TestLoadReportsAFailureOnce(t *testing.T) {
	down := hush.NewError("chain", hush.Ref{}, hush.ErrUnavailable, errors.New("extension: unavailable: refused; direct: unavailable: timeout"))
	p := failing{down}
	var into struct {
		User, Password string `secret:"db#user"`
		Port           int    `secret:"db#port"`
		Key            string `secret:"api/key"`
	}
	err := hush.Load(t.Context(), p, &into)
	assert.EqualError(t, err, `load: fields User ("db#user"), Password ("db#user"), Port ("db#port"), Key ("api/key"): `+down.Error())
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
	assert.ErrorIs(t, err, down.Err)
}

// Each link of a chain that does not have the secret names it in a different way.
func TestLoadReportsAnOutageOfAChainOnce(t *testing.T) {
	down := failing{hush.NewError("vault", hush.Ref{}, hush.ErrUnavailable, errors.New("connection refused"))}
	p := chain.New([]chain.Link{{Name: "vault", Provider: down}, {Name: "env", Provider: env.New(nil)}}, nil)
	var into struct {
		User string `secret:"load/test/db#user"`
		Key  string `secret:"load/test/key"`
	}
	err := hush.Load(t.Context(), p, &into)
	assert.EqualError(t, err, `load: fields User ("load/test/db#user"), Key ("load/test/key"): `+
		"chain: unavailable: vault: unavailable: connection refused; env: not found")

	p = chain.New([]chain.Link{{Name: "env", Provider: env.New(nil)}}, nil)
	err = hush.Load(t.Context(), p, &into)
	assert.ErrorContains(t, err, `field Key ("load/test/key"): chain: not found: env: not found: the variable "LOAD_TEST_KEY" is not set`)
}

// A Provider may return a nil *Error in an error by mistake.
func TestLoadWithANilError(t *testing.T) {
	var into struct {
		A string `secret:"a"`
		B string `secret:"b"`
	}
	err := hush.Load(t.Context(), nilFailing{}, &into)
	assert.EqualError(t, err, "load: fields A, B: unavailable")
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
}

type nilFailing struct{}

func (nilFailing) Get(context.Context, hush.Ref) (hush.Secret, error) {
	var err *hush.Error
	return hush.Secret{}, err
}

// failing returns a Provider that fails with err for every Ref.
type failing struct{ err *hush.Error }

func (f failing) Get(_ context.Context, ref hush.Ref) (hush.Secret, error) {
	return hush.Secret{}, hush.NewError(f.err.Provider, ref, f.err.Class, f.err.Err)
}
