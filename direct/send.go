package direct

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/hush-secrets/hush/internal/awsfault"
	"github.com/hush-secrets/hush/internal/httpbody"
	"github.com/hush-secrets/hush/internal/surrogate"
)

const (
	// maxIdle is the number of idle connections to a host in the SDK's default client.
	maxIdle = 10

	// reuseShare is the part of the remaining time in which a response on a reused
	// connection must arrive. With the default Timeout it is 1 s, which leaves 2 s for
	// a new connection: a cold TLS handshake in a function of 128 MB takes up to 1 s.
	reuseShare = 3

	// reuseLimitWithoutDeadline applies to calls without a deadline.
	reuseLimitWithoutDeadline = 10 * time.Second

	unlimited = time.Duration(-1)
)

// send makes one attempt. If a reused connection is dead, send repeats the request at
// once on another connection, because the SDK would wait for up to 2 s first. In Lambda,
// this can happen after each freeze. Reading a secret twice is harmless.
//
// After a timeout on a reused connection, send reuses no other connection, because
// whatever dropped one connection silently has dropped all of them. The last try may
// reuse every connection, because an HTTP/2 client has only one.
func send(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (out middleware.FinalizeOutput, metadata middleware.Metadata, err error) {
	request, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return next.HandleFinalize(ctx, in)
	}
	limit := reuseLimit(ctx)
	for tries := range maxIdle + 1 {
		if tries == maxIdle {
			limit = unlimited
		}
		try, tryCtx := newTry(ctx, limit)
		in.Request = request.Clone() // the next steps change it
		out, metadata, err = next.HandleFinalize(tryCtx, in)
		timedOut, reused := try.end()
		dead := timedOut || reused && awsfault.Unsent(err)
		if err == nil || !dead || ctx.Err() != nil || request.RewindStream() != nil {
			break
		}
		if timedOut {
			limit = 0
		}
	}
	return out, metadata, err
}

// reuseLimit returns the time in which a response on a reused connection must arrive.
func reuseLimit(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return reuseLimitWithoutDeadline
	}
	return max(time.Until(deadline)/reuseShare, 0)
}

// A try is one request. If it reuses a connection, the response must arrive within the
// limit. There is no limit for a new connection.
type try struct {
	limit  time.Duration // zero means not to reuse connections; a negative value, no limit
	cancel context.CancelFunc

	mu       sync.Mutex // a client may call the trace from any goroutine
	reused   bool
	timedOut bool
	timer    *time.Timer
}

// newTry returns a try, and the context for its request.
func newTry(ctx context.Context, limit time.Duration) (*try, context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	t := &try{limit: limit, cancel: cancel}
	return t, httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { t.setReused(false) },
		GotConn: func(info httptrace.GotConnInfo) { t.setReused(info.Reused) },
	})
}

func (t *try) setReused(reused bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reused = reused
	t.stopTimer()
	switch {
	case !reused || t.limit < 0:
	case t.limit == 0:
		t.timedOut = true
		t.cancel() // closes the connection
	default:
		t.timer = time.AfterFunc(t.limit, t.timeOut)
	}
}

func (t *try) timeOut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timedOut = true
	t.cancel()
}

// stopTimer requires t.mu.
func (t *try) stopTimer() {
	if t.timer != nil {
		t.timer.Stop()
	}
}

// end releases the resources of the try after the response. It reports whether the limit
// ended the try, and whether the last connection was a reused one.
func (t *try) end() (timedOut, reused bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopTimer()
	t.cancel()
	return t.timedOut, t.reused
}

// readBody reads the body before the SDK does, because the SDK would read a body of any
// length. A truncated body is an error of the connection. If readBody does not read the
// whole body, it ends the context of the request, which closes the connection. Closing
// the body instead could keep the connection, and net/http would print the rest of the
// body.
func readBody(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	if request, ok := in.Request.(*smithyhttp.Request); ok {
		in.Request = withPlainBody(request)
	}
	ctx, disconnect := context.WithCancel(ctx)
	defer disconnect()
	out, metadata, err := next.HandleDeserialize(ctx, in)
	response, ok := out.RawResponse.(*smithyhttp.Response)
	if err != nil || !ok {
		return out, metadata, err
	}
	body, err := httpbody.ReadJSON(response.Response, awsfault.MaxBody)
	if !errors.Is(err, httpbody.ErrTruncated) && !errors.Is(err, httpbody.ErrTooLarge) {
		_ = response.Body.Close()
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	switch {
	case err != nil && !errors.Is(err, httpbody.ErrTooLarge):
		err = &smithyhttp.RequestSendError{Err: err}
	case err == nil && response.StatusCode == http.StatusOK:
		err = surrogate.Check(body) // the SDK does not check this
	}
	return out, metadata, err
}

// withPlainBody returns request with a body that has no method WriteTo. That method of
// smithy's body returns io.EOF once the response has started. net/http treats it as a
// failed write and closes the connection, on a fast network sometimes before the end of
// the response.
func withPlainBody(request *smithyhttp.Request) *smithyhttp.Request {
	body, ok := request.GetStream().(io.ReadSeeker)
	if !ok {
		return request
	}
	plain, err := request.SetStream(struct{ io.ReadSeeker }{body})
	if err != nil {
		return request
	}
	return plain
}
