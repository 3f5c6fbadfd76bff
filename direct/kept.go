package direct

import (
	"context"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/hush-secrets/hush/internal/awsfault"
)

const (
	// keptShare is the part of a call's remaining time that a kept connection gets for
	// a response. With the default Timeout it is 1 s, which leaves 2 s for a new
	// connection: a cold TLS handshake in a function of 128 MB takes up to 1 s.
	keptShare = 3

	// keptLimitWithoutDeadline is the same for a call without a deadline.
	keptLimitWithoutDeadline = 10 * time.Second

	unlimited = time.Duration(-1)
)

// keptLimit returns how long a request on a kept connection may wait for its
// response.
func keptLimit(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return keptLimitWithoutDeadline
	}
	return max(time.Until(deadline)/keptShare, 0)
}

// A try is one request. If its connection is a kept one, the response must come
// within the limit. A new connection is not limited.
type try struct {
	limit  time.Duration // zero: kept connections are not used; negative: no limit
	cancel context.CancelFunc

	mu    sync.Mutex // a client may call the trace from any goroutine
	kept  bool
	cut   bool
	timer *time.Timer
}

// newTry returns a try, and the context for its request.
func newTry(ctx context.Context, limit time.Duration) (*try, context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	t := &try{limit: limit, cancel: cancel}
	return t, httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { t.useConnection(false) },
		GotConn: func(info httptrace.GotConnInfo) { t.useConnection(info.Reused) },
	})
}

func (t *try) useConnection(kept bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = kept
	t.stop()
	switch {
	case !kept || t.limit < 0:
	case t.limit == 0:
		t.cut = true
		t.cancel() // which closes the connection
	default:
		t.timer = time.AfterFunc(t.limit, t.giveUp)
	}
}

func (t *try) giveUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cut = true
	t.cancel()
}

// stop stops the timer. t.mu is held.
func (t *try) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}

// end releases the resources of the try, whose response has been read.
func (t *try) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop()
	t.cancel()
}

// metDeadConnection reports whether the try failed with err because its kept
// connection was closed or silent.
func (t *try) metDeadConnection(err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cut || t.kept && awsfault.Unsent(err)
}

// wasCut reports whether the limit ended the try.
func (t *try) wasCut() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cut
}
