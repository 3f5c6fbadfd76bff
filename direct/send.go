package direct

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/hush-secrets/hush/internal/awsfault"
	"github.com/hush-secrets/hush/internal/httpbody"
	"github.com/hush-secrets/hush/internal/surrogate"
)

// maxKept is how many connections to a host the SDK's own client keeps.
const maxKept = 10

// send makes one attempt. If a kept connection turns out to be dead, send repeats
// the request at once on another connection, because the SDK would wait for up to
// 2 s first. In Lambda every thaw can be such a case. Reading a secret twice does no
// harm.
//
// After a response that took too long on a kept connection, send trusts no other
// kept connection: what dropped one silently dropped them all. The last try trusts
// every connection, because an HTTP/2 client has only one.
func send(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (out middleware.FinalizeOutput, metadata middleware.Metadata, err error) {
	request, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return next.HandleFinalize(ctx, in)
	}
	limit := keptLimit(ctx)
	for tries := range maxKept + 1 {
		if tries == maxKept {
			limit = unlimited
		}
		try, tryCtx := newTry(ctx, limit)
		in.Request = request.Clone() // the next steps change it
		out, metadata, err = next.HandleFinalize(tryCtx, in)
		try.end()
		if err == nil || !try.metDeadConnection(err) || ctx.Err() != nil || request.RewindStream() != nil {
			break
		}
		if try.wasCut() {
			limit = 0
		}
	}
	return out, metadata, err
}

// exchange reads the response before the SDK does, which would read a body of any
// length. A body that breaks off is not a response. If exchange does not read a body
// to its end, the end of the context closes the connection: if the body were closed
// instead, net/http might keep the connection, and print what is left on it.
func exchange(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	if request, ok := in.Request.(*smithyhttp.Request); ok {
		in.Request = readable(request)
	}
	ctx, disconnect := context.WithCancel(ctx)
	defer disconnect()
	out, metadata, err := next.HandleDeserialize(ctx, in)
	answer, ok := out.RawResponse.(*smithyhttp.Response)
	if err != nil || !ok {
		return out, metadata, err
	}
	body, err := httpbody.ReadJSON(answer.Response, awsfault.MaxBody)
	if !errors.Is(err, httpbody.ErrTruncated) && !errors.Is(err, httpbody.ErrTooLarge) {
		_ = answer.Body.Close()
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	switch {
	case err != nil && !errors.Is(err, httpbody.ErrTooLarge):
		err = &smithyhttp.RequestSendError{Err: err}
	case err == nil && answer.StatusCode == http.StatusOK:
		err = surrogate.Check(body) // which the SDK does not
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
