package agent_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
)

// TestAClientThatDoesNotReadLosesItsPlace has a client that asks and stands still.
func TestAClientThatDoesNotReadLosesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := agent.Handler(hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) {
			return hush.Secret{Value: hush.NewValue(bytes.Repeat([]byte("x"), 64<<10))}, nil
		}), token, &agent.Options{MaxRequests: 1})
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- agent.Serve(ctx, l, h) }()
		begin := func() net.Conn {
			ours, theirs := net.Pipe()
			l.conns <- theirs
			_, err := io.WriteString(ours, "GET /v1/db HTTP/1.1\r\nHost: x\r\nX-Vault-Token: "+token+"\r\n\r\n")
			require.NoError(t, err)
			return ours
		}
		status := func(conn net.Conn) int {
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, response.Body)
			assert.NoError(t, err)
			assert.NoError(t, response.Body.Close())
			return response.StatusCode
		}

		still := begin()
		synctest.Wait()
		second := begin()
		assert.Equal(t, http.StatusTooManyRequests, status(second))
		time.Sleep(31 * time.Second) // of the bubble's
		third := begin()
		assert.Equal(t, http.StatusOK, status(third))
		stop()
		assert.NoError(t, <-served)
		for _, conn := range []net.Conn{still, second, third} {
			assert.NoError(t, conn.Close())
		}
	})
}
