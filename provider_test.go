package hush_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

func TestGet(t *testing.T) {
	var asked []hush.Ref
	p := hush.ProviderFunc(func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		asked = append(asked, ref)
		return secretOf("x"), nil
	})
	got, err := hush.Get(t.Context(), p, "db%3F?stage=AWSPREVIOUS#user")
	require.NoError(t, err)
	assert.True(t, got.Equal(secretOf("x")))
	assert.Equal(t, []hush.Ref{{Name: "db?", Stage: "AWSPREVIOUS", Field: "user"}}, asked)

	for _, bad := range []string{"", "db?x=y", "a\nb", "%"} {
		got, err = hush.Get(t.Context(), p, bad)
		assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(err), "%q", bad)
		assert.True(t, got.Equal(hush.Secret{}))
	}
	assert.Len(t, asked, 1, "what does not parse reaches no store")
}

func TestProviderFunc(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "passed on")
	p := hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		return secretOf(ctx.Value(key{}).(string) + " " + ref.Name), hush.ErrThrottled
	})
	got, err := p.Get(ctx, hush.Name("db"))
	assert.Equal(t, "passed on db", got.Value.Reveal())
	assert.ErrorIs(t, err, hush.ErrThrottled)
}

func TestStatic(t *testing.T) {
	secrets := map[string]string{"db": `{"user":"app"}`, "empty": ""}
	p := hush.Static(secrets)
	secrets["db"] = "changed"

	for text, want := range map[string]string{
		"db": `{"user":"app"}`, "db#user": "app", "db?stage=AWSCURRENT#user": "app", "empty": "",
	} {
		got, err := hush.Get(t.Context(), p, text)
		require.NoError(t, err, text)
		assert.True(t, got.Equal(hush.Secret{Value: hush.NewValue([]byte(want)), Source: "static"}), text)
	}
	for text, want := range map[string]hush.Class{
		"DB": hush.ErrNotFound, "db/": hush.ErrNotFound, "db#password": hush.ErrNotFound, "empty#x": hush.ErrNotFound,
		"db?version=v1": hush.ErrUnsupported, "db?stage=AWSPREVIOUS": hush.ErrUnsupported,
		"none?version=v1": hush.ErrUnsupported, "db?version=v1&stage=AWSCURRENT": hush.ErrUnsupported,
	} {
		_, err := hush.Get(t.Context(), p, text)
		assert.Equal(t, want, hush.ClassOf(err), text)
	}
	_, err := p.Get(t.Context(), hush.Name("db").Fresh())
	require.NoError(t, err, "every read is fresh")
	_, err = p.Get(t.Context(), hush.Ref{})
	assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(err))
	_, err = hush.Static(nil).Get(t.Context(), hush.Name("db"))
	assert.EqualError(t, err, `static: "db": not found`)
}

func TestStaticEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	_, err := hush.Static(map[string]string{"db": "x"}).Get(ctx, hush.Name("db"))
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}
