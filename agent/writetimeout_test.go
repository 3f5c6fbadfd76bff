package agent_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
)

// TestClientThatDoesNotReadIsDisconnected has a response that does not fit in a buffer.
func TestClientThatDoesNotReadIsDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, agent.Handler(hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) {
			return hush.Secret{Value: hush.NewValue(bytes.Repeat([]byte("x"), 64<<10))}, nil
		}), token, &agent.Options{MaxRequests: 1}))
		unread := s.dial(getting + "\r\n")
		second := s.dial(getting + "\r\n")
		assert.Equal(t, http.StatusTooManyRequests, readStatus(t, second))
		time.Sleep(31 * time.Second) // in the bubble
		third := s.dial(getting + "\r\n")
		assert.Equal(t, http.StatusOK, readStatus(t, third))
		s.close()
		for _, conn := range []net.Conn{unread, second, third} {
			assert.NoError(t, conn.Close())
		}
	})
}
