package agent_test

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
)

// pipes is a listener in memory, for tests in a synctest bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { close(p.closed); return nil }

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2773} }

func TestServeClosesRequestsAfterGracePeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, ended := make(chan struct{}), make(chan error, 1)
		h := agent.Handler(hush.ProviderFunc(func(ctx context.Context, _ hush.Ref) (hush.Secret, error) {
			close(asked)
			<-ctx.Done()
			ended <- ctx.Err()
			return hush.Secret{}, ctx.Err()
		}), token, nil)
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- agent.Serve(ctx, l, h) }()
		ours, theirs := net.Pipe()
		l.conns <- theirs
		_, err := io.WriteString(ours, "GET /v1/db HTTP/1.1\r\nHost: x\r\nX-Vault-Token: "+token+"\r\n\r\n")
		require.NoError(t, err)

		<-asked
		time.Sleep(time.Hour) // in the bubble: the time of a request is not limited
		stop()
		start := time.Now()
		assert.ErrorContains(t, <-served, "longer than 10s")
		assert.Equal(t, 10*time.Second, time.Since(start))
		assert.ErrorIs(t, <-ended, context.Canceled)
		assert.NoError(t, ours.Close())
	})
}
