package extension

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/http1"
	"github.com/hush-secrets/hush/internal/httpbody"
)

const (
	path        = "/secretsmanager/get"
	tokenHeader = "X-Aws-Parameters-Secrets-Token"
	// maxBody has room for the largest secret, 64 KiB, with every byte escaped.
	maxBody = 1 << 20
)

// newTransport returns a transport that connects to server and to no other address.
// It keeps few connections and keeps them briefly, because the agent counts idle
// connections, and drops each connection 61 s after it accepted it.
func newTransport(server string) *http1.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, ControlContext: onLoopback}
	return http1.New(http1.Options{
		// No proxy: HTTP_PROXY would otherwise receive the token.
		Dial: func(ctx context.Context, _ *url.URL) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", server)
		},
		MaxHeader:   64 << 10,
		MaxBody:     maxBody,
		MaxIdle:     4,
		IdleTimeout: 5 * time.Second,
	})
}

// onLoopback refuses to connect to anything but loopback, whatever was parsed.
func onLoopback(_ context.Context, _, address string, _ syscall.RawConn) error {
	if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().Unmap().IsLoopback() {
		return errors.New("not a loopback address")
	}
	return nil
}

// query returns the question for ref, without the parts that it leaves open: the
// agent answers 400 to empty ones. Both servers form-decode it, so + is %2B.
func query(ref hush.Ref) string {
	whole := ref.Key()
	q := "secretId=" + url.QueryEscape(whole.Name)
	if whole.Version != "" {
		q += "&versionId=" + url.QueryEscape(whole.Version)
	}
	if whole.Stage != "" {
		q += "&versionStage=" + url.QueryEscape(whole.Stage)
	}
	if _, fresh := ref.Freshness(); fresh {
		q += "&refreshNow=true"
	}
	return q
}

// ask returns the server's response. While the server is not ready, ask waits, as
// readiness says.
func (p *Provider) ask(ctx context.Context, token, query string) (answer, *APIError) {
	v := visit{readiness: p.ready}
	defer v.leave()
	for polls := 0; ; polls++ {
		if !v.enter(ctx) || v.hasTurn && polls > 0 && !pause(ctx) {
			return answer{}, notReady()
		}
		got, err := p.exchange(ctx, token, query)
		switch {
		case err != nil && ctx.Err() != nil && polls > 0:
			return answer{}, notReady()
		case err != nil:
			return answer{}, p.unanswered(err)
		}
		v.note(!got.notReady())
		if !got.notReady() {
			return got, nil
		}
	}
}

// pause waits for readyPoll and reports whether ctx still lives.
func pause(ctx context.Context) bool {
	timer := time.NewTimer(readyPoll)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// exchange sends the request, and once more on a new connection if the response broke
// off. The transport itself repeats a request only if an idle connection was dead
// before the first byte of the response. The agent drops each connection 61 s after
// it accepted it, also inside a response, and a freeze in Lambda does the same.
func (p *Provider) exchange(ctx context.Context, token, query string) (answer, error) {
	got, err := p.roundTrip(ctx, token, query)
	if err != nil && ctx.Err() == nil && mayRetry(err) {
		p.transport.Get().CloseIdleConnections()
		got, err = p.roundTrip(ctx, token, query)
	}
	if got.status == http.StatusTooManyRequests {
		// The agent responds with 429 on this connection for as long as it lasts.
		p.transport.Get().CloseIdleConnections()
	}
	return got, err
}

func (p *Provider) roundTrip(ctx context.Context, token, query string) (answer, error) {
	to := *p.request.URL
	to.RawQuery = query
	request := p.request.WithContext(ctx)
	request.URL = &to
	request.Header = http.Header{tokenHeader: {token}}
	// Without http.Client, which follows redirects and has cookies.
	response, err := p.transport.Get().RoundTrip(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	return answer{status: response.StatusCode, body: http1.Bytes(response)}, nil
}

func mayRetry(err error) bool { return !isDial(err) && !errors.Is(err, httpbody.ErrTooLarge) }

func isDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// unanswered returns the error of a request that err ended. It does not quote err,
// because err may quote the response.
func (p *Provider) unanswered(err error) *APIError {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) && p.tokens.inLambda:
		return unsent(ReasonNotConnected, fmt.Sprintf("nothing listens on %s: is the extension's layer attached?", p.server))
	case errors.Is(err, syscall.ECONNREFUSED):
		return unsent(ReasonNotConnected, fmt.Sprintf("nothing listens on %s", p.server))
	case isDial(err):
		return unsent(ReasonNotConnected, fmt.Sprintf("cannot connect to %s", p.server))
	case errors.Is(err, httpbody.ErrTooLarge):
		return unsent(ReasonInvalidResponse, "the extension's response is larger than 1 MiB")
	}
	return unsent(ReasonConnectionLost, "the connection broke, or the response is not HTTP")
}

// An answer is a whole HTTP answer, whatever its status.
type answer struct {
	status int
	body   []byte
}

// notReady reports whether the server asked to wait, which the extension does
// during INIT and sometimes at the start of the first invocation.
func (a answer) notReady() bool {
	return a.status != http.StatusOK && a.says("not ready to serve traffic")
}

func (a answer) says(text string) bool { return bytes.Contains(a.body, []byte(text)) }
