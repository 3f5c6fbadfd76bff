package extension_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/internal/clock/clocktest"
)

const notReady = "not ready to serve traffic, please wait"

// A starter is a Lambda extension that is not ready at first. It responds without delay.
// It closes each connection, because the client waits for bytes before it reuses a
// connection without a socket, and the tests would measure this wait.
type starter struct {
	ready    atomic.Bool
	requests atomic.Int32
	conns    sync.WaitGroup
}

func (s *starter) dial() net.Conn {
	ours, theirs := net.Pipe()
	s.conns.Go(func() {
		if _, err := http.ReadRequest(bufio.NewReader(theirs)); err != nil {
			return
		}
		s.requests.Add(1)
		status, body := 400, notReady
		if s.ready.Load() {
			status, body = 200, good
		}
		_, _ = fmt.Fprintf(theirs, "HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
	})
	return ours
}

// sent returns the number of requests since the last call.
func (s *starter) sent() int { return int(s.requests.Swap(0)) }

// starting runs f in a bubble, with a Provider whose server is not ready.
func starting(t *testing.T, o extension.Options, f func(t *testing.T, s *starter, p *extension.Provider)) {
	t.Helper()
	inLambda(t)
	o.Timeout = -1
	synctest.Test(t, func(t *testing.T) {
		s := &starter{}
		p := open(t, o)
		p.SetDial(s.dial)
		f(t, s, p)
		p.Close()
		s.conns.Wait()
	})
}

// took returns how long one Get takes, and its error.
func took(t *testing.T, p hush.Provider) (time.Duration, error) {
	t.Helper()
	start := time.Now()
	_, err := p.Get(t.Context(), hush.Name("db"))
	return time.Since(start), err
}

// requireRefusedAtOnce requires that a Get fails without a wait, because the server is
// not ready.
func requireRefusedAtOnce(t *testing.T, p hush.Provider) {
	t.Helper()
	d, err := took(t, p)
	assert.Equal(t, hush.ErrRefused, hush.ClassOf(err), "%v", err)
	assert.Zero(t, d)
}

// TestReadsInINIT sees consecutive reads share one wait.
func TestReadsInINIT(t *testing.T) {
	starting(t, extension.Options{}, func(t *testing.T, s *starter, p *extension.Provider) {
		d, err := took(t, p)
		assert.Equal(t, hush.ErrRefused, hush.ClassOf(err))
		assert.ErrorContains(t, err, "the extension is not ready to serve")
		assert.Equal(t, 100*time.Millisecond, d)
		assert.Equal(t, 11, s.sent(), "one each 10 ms")
		for range 11 {
			requireRefusedAtOnce(t, p)
		}
		assert.Zero(t, s.sent())

		time.Sleep(99 * time.Millisecond)
		requireRefusedAtOnce(t, p)
		assert.Zero(t, s.sent(), "less than 100 ms after the last response")
		time.Sleep(time.Millisecond)
		for range 3 {
			requireRefusedAtOnce(t, p)
		}
		assert.Equal(t, 1, s.sent(), "one read sends a single request")

		s.ready.Store(true)
		time.Sleep(99 * time.Millisecond)
		requireRefusedAtOnce(t, p)
		time.Sleep(time.Millisecond)
		for range 3 {
			d, err = took(t, p)
			require.NoError(t, err)
			assert.Zero(t, d)
		}
	})
}

// TestConcurrentReadsInINIT sees concurrent reads share one wait. One of them polls.
func TestConcurrentReadsInINIT(t *testing.T) {
	for _, readyAfter := range []time.Duration{35 * time.Millisecond, time.Hour} {
		starting(t, extension.Options{}, func(t *testing.T, s *starter, p *extension.Provider) {
			var reads sync.WaitGroup
			time.AfterFunc(readyAfter, func() { s.ready.Store(true) })
			for range 12 {
				reads.Go(func() {
					d, err := took(t, p)
					assert.Equal(t, readyAfter == time.Hour, err != nil, "%v", err)
					assert.LessOrEqual(t, d, min(readyAfter+10*time.Millisecond, 100*time.Millisecond))
				})
			}
			reads.Wait()
			assert.LessOrEqual(t, s.sent(), 12+10+12)
			time.Sleep(readyAfter) // until the timer has ended
		})
	}
}

// TestLateReadJoinsTheWait sees a read wait for the read that polls.
func TestLateReadJoinsTheWait(t *testing.T) {
	starting(t, extension.Options{}, func(t *testing.T, s *starter, p *extension.Provider) {
		var reads sync.WaitGroup
		reads.Go(func() { _, _ = took(t, p) })
		time.Sleep(5 * time.Millisecond)
		require.Equal(t, 1, s.sent())
		reads.Go(func() {
			d, err := took(t, p)
			assert.NoError(t, err)
			assert.Equal(t, 15*time.Millisecond, d, "at the next poll")
		})
		time.Sleep(10 * time.Millisecond)
		require.Equal(t, 1, s.sent(), "the poll")
		s.ready.Store(true)
		reads.Wait()
		assert.Equal(t, 2, s.sent(), "the poll and the late read")
	})
}

func TestReadTakesOverFromCanceledPoller(t *testing.T) {
	starting(t, extension.Options{ReadyWait: time.Hour}, func(t *testing.T, s *starter, p *extension.Provider) {
		ctx, cancel := context.WithCancel(t.Context())
		var reads sync.WaitGroup
		reads.Go(func() {
			_, err := p.Get(ctx, hush.Name("db"))
			assert.Equal(t, hush.ErrRefused, hush.ClassOf(err), "the class of the last response")
			assert.ErrorIs(t, err, context.Canceled)
		})
		time.Sleep(5 * time.Millisecond)
		reads.Go(func() {
			_, err := took(t, p)
			assert.NoError(t, err)
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		s.ready.Store(true)
		reads.Wait()
	})
}

func TestNegativeReadyWait(t *testing.T) {
	starting(t, extension.Options{ReadyWait: -1}, func(t *testing.T, s *starter, p *extension.Provider) {
		for range 3 {
			requireRefusedAtOnce(t, p)
		}
		assert.Equal(t, 1, s.sent())
	})
}

// TestNewReadyWait sees a new wait if the server was ready in between, and 10 s after the
// last "not ready".
func TestNewReadyWait(t *testing.T) {
	starting(t, extension.Options{}, func(t *testing.T, s *starter, p *extension.Provider) {
		waits := func(what string) {
			d, err := took(t, p)
			require.Error(t, err)
			assert.Equal(t, 100*time.Millisecond, d, what)
		}
		waits("at first")
		time.Sleep(9 * time.Second)
		requireRefusedAtOnce(t, p)
		time.Sleep(10 * time.Second)
		waits("10 s later")
		time.Sleep(time.Second)
		s.ready.Store(true)
		_, err := took(t, p)
		require.NoError(t, err)
		s.ready.Store(false)
		waits("after a secret")
	})
}

// TestRestEndsByEitherClock moves one clock as a freeze does, and sets the other back.
func TestRestEndsByEitherClock(t *testing.T) {
	starting(t, extension.Options{ReadyWait: -1}, func(t *testing.T, s *starter, p *extension.Provider) {
		c := clocktest.New()
		p.SetClock(c.Now)
		requireRefusedAtOnce(t, p)
		assert.Equal(t, 1, s.sent())
		for _, move := range []func(){
			func() { c.Move(100*time.Millisecond, 0) },
			func() { c.Move(-time.Hour, 100*time.Millisecond) },
		} {
			requireRefusedAtOnce(t, p)
			assert.Zero(t, s.sent())
			move()
			requireRefusedAtOnce(t, p)
			assert.Equal(t, 1, s.sent())
		}
	})
}

// TestNotReadyOpensNoBreaker sees the extension serve the first read that comes 100 ms
// after the last "not ready".
func TestNotReadyOpensNoBreaker(t *testing.T) {
	starting(t, extension.Options{}, func(t *testing.T, s *starter, p *extension.Provider) {
		store := hush.Static(map[string]string{"db": "of the store"})
		c := chain.New([]chain.Link{{Name: "extension", Provider: p, Front: true}, {Name: "direct", Provider: store}}, nil)
		start := time.Now()
		for range 12 {
			secret, err := c.Get(t.Context(), hush.Name("db"))
			require.NoError(t, err)
			assert.Equal(t, "of the store", secret.Value.Reveal())
			assert.False(t, secret.FromFallback)
		}
		assert.Equal(t, 100*time.Millisecond, time.Since(start))
		time.Sleep(100 * time.Millisecond)
		s.ready.Store(true)
		secret, err := c.Get(t.Context(), hush.Name("db"))
		require.NoError(t, err)
		assert.Equal(t, "extension", secret.Source)
	})
}
