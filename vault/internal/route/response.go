package route

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/hush-secrets/hush/internal/http1"
	"github.com/hush-secrets/hush/internal/httpbody"
)

// maxBody is the size limit of a response. Vault's limit for an entry is 1 MiB, which
// JSON can inflate.
const maxBody = 4 << 20

// An Error is the reason why the Router did not send a request or did not use a
// response. Its text quotes no token, path or body.
type Error struct {
	reason    string
	permanent bool // the same request would fail in the same way
	redirect  bool // a redirect that the Router does not follow
}

// Error returns the reason.
func (e *Error) Error() string { return e.reason }

// redirectError returns the error of a redirect that is not followed. to is a scheme,
// a host and a port; empty means that the response has none.
func redirectError(to, why string) error {
	e := &Error{reason: "Vault redirects: " + why, permanent: true, redirect: true}
	if to != "" {
		e.reason = fmt.Sprintf("Vault redirects to %q: %s", to, why)
	}
	return e
}

func isRedirect(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.redirect
}

func isPermanent(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.permanent
}

// bodyError returns err in words if the body exceeds its limit.
func bodyError(err error) error {
	if errors.Is(err, httpbody.ErrTooLarge) {
		return &Error{reason: fmt.Sprintf("the response exceeds the limit of %d MiB", maxBody>>20), permanent: true}
	}
	return err
}

// A StatusRecorder has the status of the last response to the requests of one call.
type StatusRecorder struct{ last atomic.Int32 }

type statusKey struct{}

// WithStatusRecorder returns a context that records the status of each response.
func WithStatusRecorder(ctx context.Context) (context.Context, *StatusRecorder) {
	r := new(StatusRecorder)
	return context.WithValue(ctx, statusKey{}, r), r
}

// Last returns the status of the last complete response that is not a redirect. Zero
// means that there was none.
func (r *StatusRecorder) Last() int { return int(r.last.Load()) }

// SetStatus makes status the last status that ctx records. Zero means that the call
// goes on, so that earlier responses do not decide its result.
func SetStatus(ctx context.Context, status int) {
	if r, ok := ctx.Value(statusKey{}).(*StatusRecorder); ok && status/100 != 3 {
		r.last.Store(int32(status))
	}
}

// readBody reads the body of resp into memory.
func readBody(resp *http.Response) error {
	if http1.IsRead(resp) {
		return nil
	}
	var body []byte
	if resp.Body != http.NoBody { // a response to HEAD has the Content-Length of GET
		var err error
		body, err = httpbody.ReadJSON(resp, maxBody)
		_ = resp.Body.Close()
		if err != nil {
			return err
		}
	}
	http1.SetBody(resp, body)
	return nil
}

// Body returns the complete body of a response that a Router returned. The caller must
// not change it.
func Body(resp *http.Response) []byte {
	if http1.IsRead(resp) {
		return http1.Bytes(resp)
	}
	body, _ := io.ReadAll(resp.Body) // http.Client.Timeout wraps the body, which is in memory
	return body
}
