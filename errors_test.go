package hush_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hush-secrets/hush"
)

var classes = map[hush.Class]string{
	hush.ErrNotFound:        "not found",
	hush.ErrDenied:          "denied",
	hush.ErrUnauthenticated: "unauthenticated",
	hush.ErrThrottled:       "throttled",
	hush.ErrUnavailable:     "unavailable",
	hush.ErrRefused:         "refused",
	hush.ErrAbsent:          "absent",
	hush.ErrUnsupported:     "unsupported",
	hush.ErrInvalidRef:      "invalid reference",
	hush.ErrInvalidValue:    "invalid value",
	hush.ErrRejected:        "rejected",
	hush.ErrCanceled:        "canceled",
}

func TestClassTexts(t *testing.T) {
	for class, want := range classes {
		assert.Equal(t, want, class.Error())
	}
	assert.Equal(t, "unavailable", hush.Class(0).Error())
	assert.Equal(t, "unavailable", hush.Class(len(classes)+1).Error(), "one past the last")
	assert.Equal(t, "unavailable", hush.Class(255).Error())
}

func TestClassesMatch(t *testing.T) {
	for class := range classes {
		for target := range classes {
			want := class == target || target == hush.ErrUnavailable && (class == hush.ErrRefused || class == hush.ErrAbsent)
			for _, err := range []error{class, hush.NewError("p", hush.Name("n"), class, nil), fmt.Errorf("x: %w", class)} {
				assert.Equal(t, want, errors.Is(err, target), "%T %v is %v", err, err, target)
			}
		}
		assert.Equal(t, class == hush.ErrUnsupported, errors.Is(class, errors.ErrUnsupported), "%v", class)
	}
	for _, none := range []hush.Class{0, 255} {
		assert.ErrorIs(t, none, hush.ErrUnavailable)
		assert.ErrorIs(t, &hush.Error{Class: none}, hush.ErrUnavailable)
		assert.NotErrorIs(t, none, hush.ErrNotFound)
		assert.NotErrorIs(t, none, errors.ErrUnsupported)
	}
}

// A foreign error has no class but claims to match one.
type foreign struct{ error }

func (foreign) Is(error) bool { return true }

func TestClassOf(t *testing.T) {
	ref := hush.Name("db")
	denied := hush.NewError("p", ref, hush.ErrDenied, hush.ErrNotFound)
	for name, c := range map[string]struct {
		err  error
		want hush.Class
	}{
		"nil":                         {nil, 0},
		"bare":                        {hush.ErrNotFound, hush.ErrNotFound},
		"bare, wrapped":               {fmt.Errorf("x: %w", hush.ErrThrottled), hush.ErrThrottled},
		"bare, joined":                {errors.Join(errors.New("x"), hush.ErrDenied), hush.ErrDenied},
		"bare zero":                   {hush.Class(0), hush.ErrUnavailable},
		"bare, no class":              {hush.Class(99), hush.ErrUnavailable},
		"an Error's over its cause's": {denied, hush.ErrDenied},
		"wrapped":                     {fmt.Errorf("x: %w", denied), hush.ErrDenied},
		"outermost":                   {hush.NewError("chain", ref, hush.ErrUnavailable, denied), hush.ErrUnavailable},
		"outermost, kept as a kind":   {hush.NewError("chain", ref, hush.ErrAbsent, denied), hush.ErrAbsent},
		"an Error before a bare one":  {errors.Join(hush.ErrNotFound, denied), hush.ErrDenied},
		"zero in an Error":            {&hush.Error{Err: hush.ErrNotFound}, hush.ErrUnavailable},
		"no class in an Error":        {&hush.Error{Class: 99}, hush.ErrUnavailable},
		"nil Error":                   {(*hush.Error)(nil), hush.ErrUnavailable},
		"nil Error, wrapped":          {fmt.Errorf("x: %w", (*hush.Error)(nil)), hush.ErrUnavailable},
		"unknown":                     {errors.New("x"), hush.ErrUnavailable},
		"EOPNOTSUPP":                  {syscall.EOPNOTSUPP, hush.ErrUnavailable},
		"errors.ErrUnsupported":       {errors.ErrUnsupported, hush.ErrUnavailable},
		"fs.ErrNotExist":              {fs.ErrNotExist, hush.ErrUnavailable},
		"fs.ErrPermission":            {fs.ErrPermission, hush.ErrUnavailable},
		"context.Canceled":            {context.Canceled, hush.ErrUnavailable},
		"context.DeadlineExceeded":    {context.DeadlineExceeded, hush.ErrUnavailable},
		"matches everything":          {foreign{errors.New("x")}, hush.ErrUnavailable},
		"canceled":                    {hush.NewError("p", ref, hush.ErrCanceled, context.Canceled), hush.ErrCanceled},
	} {
		assert.Equal(t, c.want, hush.ClassOf(c.err), name)
	}
}

func TestErrorUnwraps(t *testing.T) {
	cause := errors.New("cause")
	err := hush.NewError("p", hush.Name("db"), hush.ErrCanceled, fmt.Errorf("x: %w", cause))
	assert.ErrorIs(t, err, cause)
	assert.ErrorIs(t, err, hush.ErrCanceled)
	assert.NotErrorIs(t, err, hush.ErrNotFound)
	assert.Equal(t, []error{hush.ErrDenied}, hush.NewError("p", hush.Ref{}, hush.ErrDenied, nil).Unwrap())
	assert.Equal(t, []error{hush.ErrUnavailable, cause}, (&hush.Error{Err: cause}).Unwrap())
}

func TestErrorText(t *testing.T) {
	ref := hush.Ref{Name: "db/prod", Stage: "AWSPENDING", Field: "user"}
	cause := errors.New("because")
	for want, err := range map[string]*hush.Error{
		"unavailable":          {},
		"denied":               {Class: hush.ErrDenied},
		"unavailable: because": {Err: cause},
		"env: not found":       {Provider: "env", Class: hush.ErrNotFound},
		`env: "db/prod?stage=AWSPENDING#user": not found`:         {Provider: "env", Ref: ref, Class: hush.ErrNotFound},
		`"db/prod?stage=AWSPENDING#user": refused: because`:       {Ref: ref, Class: hush.ErrRefused, Err: cause},
		`a: "x": throttled: b: "y": denied: because`:              hush.NewError("a", hush.Name("x"), hush.ErrThrottled, hush.NewError("b", hush.Name("y"), hush.ErrDenied, cause)),
		`p: "a\nb\"c%25\u202e": not found`:                        {Provider: "p", Ref: hush.Name("a\nb\"c%\u202e"), Class: hush.ErrNotFound},
		`p: "` + strings.Repeat("n", 256) + `": denied`:           {Provider: "p", Ref: hush.Name(strings.Repeat("n", 256)), Class: hush.ErrDenied},
		`"` + strings.Repeat("n", 256) + `"… (257 bytes): denied`: {Ref: hush.Name(strings.Repeat("n", 257)), Class: hush.ErrDenied},
	} {
		assert.EqualError(t, err, want)
	}
	assert.EqualError(t, (*hush.Error)(nil), "unavailable")
}

// A logger prints an error that is a fmt.Formatter with %+v, which dumps its tree.
func TestErrorInLogs(t *testing.T) {
	err := hush.NewError("env", hush.Name("db").NewerThan(canarySecret()), hush.ErrDenied, errors.New("because"))
	const text = `env: \"db\": denied: because`
	_, formats := any(err).(fmt.Formatter)
	assert.False(t, formats)

	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Error("m", slog.Any("error", err))
	assert.Contains(t, b.String(), `"error":"`+text+`"`)

	b.Reset()
	encoder := zapcore.NewJSONEncoder(zapcore.EncoderConfig{})
	zap.New(zapcore.NewCore(encoder, zapcore.AddSync(&b), zap.DebugLevel)).Error("m", zap.Error(err), zap.Any("any", fmt.Errorf("x: %w", err)))
	require.Contains(t, b.String(), `"error":"`+text+`"`)
	assert.NotContains(t, b.String(), "Verbose")
}
