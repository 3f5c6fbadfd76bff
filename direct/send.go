package direct

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/hush-secrets/hush/internal/awsfault"
	"github.com/hush-secrets/hush/internal/httpbody"
)

// maxKept is how many connections to a host the SDK's own client keeps.
const maxKept = 10

// send makes one attempt, and makes it anew at once as long as it meets a kept
// connection that has died. The SDK would wait for up to 2 s first, and in Lambda
// each thaw can be such a case. Reading a secret twice does no harm.
func send(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (out middleware.FinalizeOutput, metadata middleware.Metadata, err error) {
	var kept atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { kept.Store(false) }, // of credentials' sources, too
		GotConn: func(info httptrace.GotConnInfo) { kept.Store(info.Reused) },
	})
	request, ok := in.Request.(*smithyhttp.Request)
	for range maxKept {
		if ok {
			in.Request = request.Clone() // which the steps to come change
		}
		out, metadata, err = next.HandleFinalize(traced, in)
		if !ok || !kept.Load() || !awsfault.Unsent(err) || ctx.Err() != nil || request.RewindStream() != nil {
			break
		}
	}
	return out, metadata, err
}

// exchange reads the answer before the SDK does, which takes what comes for as long
// as it comes. A body that breaks off is no answer.
func exchange(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	if request, ok := in.Request.(*smithyhttp.Request); ok {
		in.Request = readable(request)
	}
	out, metadata, err := next.HandleDeserialize(ctx, in)
	answer, ok := out.RawResponse.(*smithyhttp.Response)
	if err != nil || !ok {
		return out, metadata, err
	}
	body, err := httpbody.Read(answer.Response, awsfault.MaxBody)
	_ = answer.Body.Close() // read or given up, it is of no more use
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil && !errors.Is(err, httpbody.ErrTooLarge) {
		err = &smithyhttp.RequestSendError{Err: err}
	}
	return out, metadata, err
}

// readable returns request with a body that can be read and no more. Of one that
// writes itself smithy's wrapper says io.EOF once the answer has begun, which
// net/http takes for a failed write: it closes the connection, on a fast network
// sometimes with the answer half read.
func readable(request *smithyhttp.Request) *smithyhttp.Request {
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
