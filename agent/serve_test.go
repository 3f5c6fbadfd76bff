package agent_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

// fetch sends a request with the token and returns the status.
func fetch(t *testing.T, method, url string) (int, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("X-Vault-Token", token)
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Body.Close()
}

func TestServeFinishesRequestsInFlight(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	h := agent.Handler(hush.ProviderFunc(func(ctx context.Context, _ hush.Ref) (hush.Secret, error) {
		close(asked)
		<-release
		return hush.Secret{}, ctx.Err()
	}), token, nil)
	l := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- agent.Serve(ctx, l, h) }()
	answered := make(chan int, 1)
	go func() {
		status, err := fetch(t, http.MethodGet, "http://"+l.Addr().String()+"/v1/db")
		assert.NoError(t, err)
		answered <- status
	}()

	<-asked
	stop()
	// Serve accepts no further connections while it waits for the request.
	assert.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, 10*time.Second, 5*time.Millisecond)
	select {
	case err := <-served:
		t.Fatalf("Serve returned before the response: %v", err)
	default:
	}
	close(release)
	assert.Equal(t, http.StatusOK, <-answered)
	assert.NoError(t, <-served)
}

func TestServeAlwaysRequiresToken(t *testing.T) {
	l := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- agent.Serve(ctx, l, agent.Handler(echo, token+"x", nil)) }()

	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Contains(t, string(answer), "403 Forbidden")
	assert.NotContains(t, string(answer), "Content-Type")
	assert.NoError(t, conn.Close())
	stop()
	assert.NoError(t, <-served)
}

func TestServeRejectsOtherAddresses(t *testing.T) {
	for _, at := range []net.Addr{
		&net.TCPAddr{IP: net.IPv4zero, Port: 2773},
		&net.TCPAddr{IP: net.IPv6unspecified, Port: 2773},
		&net.TCPAddr{Port: 2773},
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 2773},
		&net.UnixAddr{Net: "unix", Name: "/run/agent.sock"},
		&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2773},
	} {
		l := &fakeAddrListener{Listener: listen(t), addr: at}
		err := agent.Serve(t.Context(), l, agent.Handler(echo, token, nil))
		assert.ErrorContains(t, err, "must be a loopback address", at.String())
		_, err = l.Accept()
		assert.ErrorIs(t, err, net.ErrClosed, at.String())
	}
}

// A fakeAddrListener reports another address, so that no test listens on the network.
type fakeAddrListener struct {
	net.Listener
	addr net.Addr
}

func (l *fakeAddrListener) Addr() net.Addr { return l.addr }

func TestServeReportsClosedListener(t *testing.T) {
	l := listen(t)
	require.NoError(t, l.Close())
	assert.ErrorIs(t, agent.Serve(t.Context(), l, agent.Handler(echo, token, nil)), net.ErrClosed)
}

func TestServeWithCanceledContext(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	l := listen(t)
	require.NoError(t, agent.Serve(ctx, l, agent.Handler(echo, token, nil)))
	_, err := l.Accept()
	assert.ErrorIs(t, err, net.ErrClosed)
}
