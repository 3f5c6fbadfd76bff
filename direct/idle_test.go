package direct_test

import (
	"context"
	"net"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/directtest"
)

// A blackhole is a TCP proxy that can silently drop the data of its established
// connections. A NAT gateway or a load balancer does so after its idle timeout. Later
// connections work.
type blackhole struct {
	listener net.Listener
	target   string
	accepted atomic.Int32
	active   sync.WaitGroup

	mu    sync.Mutex
	conns []*proxied
}

// A proxied is a connection through a blackhole.
type proxied struct {
	client, server net.Conn
	dropped        atomic.Bool
}

func startBlackhole(t *testing.T, server *directtest.Server) *blackhole {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b := &blackhole{listener: listener, target: strings.TrimPrefix(server.URL(), "http://")}
	b.active.Go(b.serve)
	t.Cleanup(b.close)
	return b
}

// client returns an SDK client with the SDK's defaults that goes through b.
func (b *blackhole) client(server *directtest.Server) *secretsmanager.Client {
	return server.Client(func(o *secretsmanager.Options) {
		o.BaseEndpoint = aws.String("http://" + b.listener.Addr().String())
	})
}

func (b *blackhole) serve() {
	for {
		client, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.accepted.Add(1)
		server, err := net.Dial("tcp", b.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p := &proxied{client: client, server: server}
		b.mu.Lock()
		b.conns = append(b.conns, p)
		b.mu.Unlock()
		b.active.Go(func() { p.forward(server, client) })
		b.active.Go(func() { p.forward(client, server) })
	}
}

// forward copies data to the other side. It reads the data that it drops, so that the
// kernel of the sender receives acknowledgements.
func (p *proxied) forward(to, from net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			if !p.dropped.Load() {
				_ = to.Close()
			}
			return
		}
		if !p.dropped.Load() {
			_, _ = to.Write(buffer[:n])
		}
	}
}

// drop drops the data of every established connection.
func (b *blackhole) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.conns {
		p.dropped.Store(true)
	}
}

func (b *blackhole) close() {
	_ = b.listener.Close()
	b.mu.Lock()
	for _, p := range b.conns {
		_ = p.client.Close()
		_ = p.server.Close()
	}
	b.mu.Unlock()
	b.active.Wait()
}

// TestSilentIdleConnection sees a silent connection take a part of the timeout. The
// request on a new connection gets the rest.
func TestSilentIdleConnection(t *testing.T) {
	server := start(t)
	server.Put("db/prod", []byte("hunter2"))
	b := startBlackhole(t, server)
	provider := direct.New(b.client(server), nil)
	_, err := provider.Get(t.Context(), hush.Name("db/prod"))
	require.NoError(t, err)
	b.drop()
	secret, err := provider.Get(t.Context(), hush.Name("db/prod"))
	require.NoError(t, err)
	assert.Equal(t, "hunter2", secret.Value.Reveal())
	assert.EqualValues(t, 2, b.accepted.Load())
	assert.Equal(t, 2, server.Calls(directtest.Call{}), "the dropped request did not arrive")
}

// TestSilentIdleConnections sees no other idle connection used after a silent one.
// Otherwise each would take a third of the remaining time: six connections would take
// 4.1 s of 4.5 s instead of 1.5 s.
func TestSilentIdleConnections(t *testing.T) {
	const many = 6
	const timeout = 4500 * time.Millisecond
	server := start(t)
	server.Put("db/prod", []byte("hunter2"))
	b := startBlackhole(t, server)
	provider := direct.New(b.client(server), &direct.Options{Timeout: timeout})
	restore := server.Hang()
	var calls, sent sync.WaitGroup
	sent.Add(many)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { sent.Done() },
	})
	for range many {
		calls.Go(func() {
			_, err := provider.Get(ctx, hush.Name("db/prod"))
			assert.NoError(t, err)
		})
	}
	sent.Wait() // each on a connection of its own
	restore()
	calls.Wait()
	b.drop()
	begin := time.Now()
	_, err := provider.Get(t.Context(), hush.Name("db/prod"))
	require.NoError(t, err)
	assert.Less(t, time.Since(begin), timeout*2/3)
	assert.EqualValues(t, many+1, b.accepted.Load())
}

// TestSlowStore sees a response on a new connection take all of the timeout. A slow
// response on a reused connection leads to another request.
func TestSlowStore(t *testing.T) {
	server := start(t)
	server.Put("db/prod", []byte("hunter2"))
	server.Latency(1200*time.Millisecond, 1200*time.Millisecond) // of 3 s
	provider := direct.New(server.Client(), nil)
	_, err := provider.Get(t.Context(), hush.Name("db/prod"))
	require.NoError(t, err)
	assert.Equal(t, 1, server.Calls(directtest.Call{}), "a new connection is not limited")
	_, err = provider.Get(t.Context(), hush.Name("db/prod"))
	require.NoError(t, err)
	assert.Equal(t, 3, server.Calls(directtest.Call{}))
}

// TestSilentIdleConnectionAndCallersDeadline sees the limit be a share of the caller's
// remaining time.
func TestSilentIdleConnectionAndCallersDeadline(t *testing.T) {
	server := start(t)
	server.Put("db/prod", []byte("hunter2"))
	b := startBlackhole(t, server)
	provider := direct.New(b.client(server), &direct.Options{Timeout: time.Hour})
	_, err := provider.Get(t.Context(), hush.Name("db/prod"))
	require.NoError(t, err)
	b.drop()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err = provider.Get(ctx, hush.Name("db/prod"))
	require.NoError(t, err)
}
