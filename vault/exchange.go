package vault

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

// maxBody bounds an answer. Vault takes entries of 1 MiB at most, which JSON can
// inflate.
const maxBody = 4 << 20

var (
	// errRedirect matches any *redirectError.
	errRedirect = errors.New("a redirect to where no request may go")

	errTooLarge = fmt.Errorf("the answer is larger than %d MiB", maxBody>>20)
)

// A redirectError is about a redirect that is not followed.
type redirectError struct {
	to  string // scheme, host and port; empty if the answer has none
	why string
}

func (e *redirectError) Error() string {
	if e.to == "" {
		return "Vault redirects: " + e.why
	}
	return fmt.Sprintf("Vault redirects to %q: %s", e.to, e.why)
}

// Is makes errRedirect match.
func (e *redirectError) Is(target error) bool { return target == errRedirect }

// An exchange is what the requests of one call were answered.
type exchange struct {
	last atomic.Int32 // the status of the last answer that is no redirect; 0: none
}

type exchangeKey struct{}

// withExchange returns a ctx whose requests are recorded in the exchange.
func withExchange(ctx context.Context) (context.Context, *exchange) {
	x := new(exchange)
	return context.WithValue(ctx, exchangeKey{}, x), x
}

// record notes an answer whose body is there.
func record(ctx context.Context, status int) {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok && status/100 != 3 {
		x.last.Store(int32(status))
	}
}

// hold reads the body of resp to its end and puts what it read in its place.
func hold(resp *http.Response) error {
	if http1.IsRead(resp) {
		return nil
	}
	var whole []byte
	if resp.Body != http.NoBody { // a response to HEAD has the Content-Length of GET
		var err error
		whole, err = httpbody.ReadJSON(resp, maxBody)
		_ = resp.Body.Close()
		if err != nil {
			return err
		}
	}
	http1.SetBody(resp, whole)
	return nil
}

// bytesOf returns the whole body of a response that came through a router. The caller
// must not change it.
func bytesOf(resp *http.Response) []byte {
	if http1.IsRead(resp) {
		return http1.Bytes(resp)
	}
	whole, _ := io.ReadAll(resp.Body) // a client's own timeout wraps what is in memory
	return whole
}
