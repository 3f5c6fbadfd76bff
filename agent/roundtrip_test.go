package agent_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/providertest"
)

// client returns a Provider of package extension that reads p over a real socket.
func client(t *testing.T, p hush.Provider, o *agent.Options) hush.Provider {
	t.Helper()
	server := httptest.NewServer(agent.Handler(p, token, o))
	t.Cleanup(server.Close)
	return extension.New(&extension.Options{
		Endpoint: server.URL, Dialect: extension.DialectAgent, Timeout: time.Minute,
		Token: func(context.Context) (string, error) { return token, nil },
	})
}

func TestClassesRoundTrip(t *testing.T) {
	for sent, want := range map[error]hush.Class{
		hush.ErrNotFound:        hush.ErrNotFound,
		hush.ErrDenied:          hush.ErrDenied,
		hush.ErrUnauthenticated: hush.ErrUnauthenticated,
		hush.ErrThrottled:       hush.ErrThrottled,
		hush.ErrUnavailable:     hush.ErrUnavailable,
		hush.ErrRefused:         hush.ErrRefused,
		hush.ErrAbsent:          hush.ErrAbsent,
		hush.ErrUnsupported:     hush.ErrUnsupported,
		hush.ErrInvalidRef:      hush.ErrNotFound,
		hush.ErrRejected:        hush.ErrUnavailable,
		hush.ErrCanceled:        hush.ErrUnavailable,
		errors.New("x"):         hush.ErrUnavailable,
	} {
		var m providertest.Map
		m.Always(providertest.Step{Err: hush.NewError("vault", hush.Name(canary), hush.ClassOf(sent), errors.New(canary))})
		_, err := client(t, &m, nil).Get(t.Context(), hush.Name("db"))
		assert.Equal(t, want, hush.ClassOf(err), "%v: %v", sent, err)
		assert.Empty(t, providertest.Leaks(err, canary, token))
	}

	_, err := client(t, hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) { panic(canary) }), nil).
		Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
	assert.Empty(t, providertest.Leaks(err, canary, token))

	_, err = client(t, &providertest.Map{}, &agent.Options{Allow: []string{"other"}}).Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrDenied, hush.ClassOf(err))
}

func TestSecretsRoundTrip(t *testing.T) {
	for _, secret := range []hush.Secret{
		{Value: hush.NewValue([]byte("s3cret"))},
		{Value: hush.NewValue([]byte("</script>&\u2028\u2029\"\\\x00\x7f🔑")), Version: "v 1", Stages: []string{"AWSCURRENT", "é"}},
		{Value: hush.NewValue([]byte{0xff, 0, 0xfe}), Created: time.Unix(1569534789, 123456789).UTC()},
		{Value: hush.NewValue(nil), Expires: time.Unix(1569534789, 1).UTC(), Stale: true, FromFallback: true},
		{Value: hush.NewValue([]byte("\ufffd")), Created: time.Unix(0, 0).UTC(), Stale: true},
	} {
		for _, id := range []string{
			"db/prod", "arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCdEf", "arn:aws:secretsmanager:eu-west-1:1:secret:db", "arn:x", "é 🔑\"<",
		} {
			var m providertest.Map
			m.Always(providertest.Step{Secret: &secret})
			got, err := client(t, &m, nil).Get(t.Context(), hush.Name(id))
			require.NoError(t, err, id)
			want := secret
			want.Source = "extension"
			assert.True(t, want.Equal(got), "sent %+v, came back as %+v", want, got)
		}
	}
}

func TestDisconnectCancelsProviderCall(t *testing.T) {
	asked, ended := make(chan struct{}), make(chan error, 1)
	p := client(t, hush.ProviderFunc(func(ctx context.Context, _ hush.Ref) (hush.Secret, error) {
		close(asked)
		<-ctx.Done()
		ended <- ctx.Err()
		return hush.Secret{}, ctx.Err()
	}), nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, err := p.Get(ctx, hush.Name("db"))
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
	assert.ErrorIs(t, <-ended, context.Canceled)
}
