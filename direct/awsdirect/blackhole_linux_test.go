package awsdirect_test

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct/awsdirect"
)

// blackhole returns an address that neither accepts nor refuses connections: a listener
// with a full backlog.
func blackhole(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, syscall.Listen(fd, 0))
	bound, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	inet, ok := bound.(*syscall.SockaddrInet4)
	require.True(t, ok)
	address := fmt.Sprintf("127.0.0.1:%d", inet.Port)
	for range 16 {
		conn, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err != nil {
			timeout, ok := errors.AsType[net.Error](err)
			require.True(t, ok && timeout.Timeout(), "%v", err)
			return address
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	require.Fail(t, "the backlog does not fill")
	return ""
}

func TestEndpointThatNeverConnects(t *testing.T) {
	for _, mode := range []string{"legacy", "standard"} { // a mode of the SDK's has limits of its own
		t.Run(mode, func(t *testing.T) {
			laptop(t)
			credentials(t)
			t.Setenv("AWS_DEFAULTS_MODE", mode)
			p := awsdirect.New(&awsdirect.Options{Endpoint: "http://" + blackhole(t)})
			start := time.Now()
			_, err := p.Get(t.Context(), hush.Name("db/prod"))
			took := time.Since(start)
			requireClass(t, hush.ErrUnavailable, err)
			assert.Less(t, took, 1500*time.Millisecond)
			t.Log(took, err)
		})
	}
}
