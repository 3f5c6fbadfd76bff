package breakable_test

import (
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/internal/test/breakable"
)

func get(t *testing.T, url string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		assert.Equal(t, http.StatusTeapot, resp.StatusCode)
		err = resp.Body.Close()
	}
	return err
}

func TestServerBreaksAndRecovers(t *testing.T) {
	server, err := breakable.Start(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	require.NoError(t, err)
	t.Cleanup(server.Close)
	require.NoError(t, get(t, server.URL()))

	once, again := server.Break(), server.Break()
	require.ErrorIs(t, get(t, server.URL()), syscall.ECONNREFUSED)
	once()
	once()
	require.ErrorIs(t, get(t, server.URL()), syscall.ECONNREFUSED, "broken twice, restored once")
	again()
	require.NoError(t, get(t, server.URL()))

	late := server.Break()
	server.Close()
	server.Close()
	late()
	require.ErrorIs(t, get(t, server.URL()), syscall.ECONNREFUSED, "closed")
}

func TestRestoreWaitsForThePort(t *testing.T) {
	server, err := breakable.Start(http.NotFoundHandler())
	require.NoError(t, err)
	t.Cleanup(server.Close)
	restore := server.Break()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", server.Addr())
	require.NoError(t, err)
	time.AfterFunc(50*time.Millisecond, func() { _ = taken.Close() })
	restore()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Addr())
	require.NoError(t, err)
	assert.NoError(t, conn.Close())
}
