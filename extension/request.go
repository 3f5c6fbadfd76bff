package extension

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/http1"
	"github.com/hush-secrets/hush/internal/httpbody"
)

const (
	portVariable = "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT" // read by the extension, too
	defaultPort  = "2773"
	path         = "/secretsmanager/get"
	tokenHeader  = "X-Aws-Parameters-Secrets-Token"

	// maxBody has room for the largest secret, 64 KiB, with every byte escaped.
	maxBody = 1 << 20
)

// findEndpoint returns the address and port to connect to, and whether the option or
// the environment configures it. Errors do not quote the endpoint, which may contain a
// credential.
func findEndpoint(option string) (server string, configured bool, err error) {
	if option != "" {
		server, err = parseEndpoint(option)
		return server, true, err
	}
	port := os.Getenv(portVariable)
	if port == "" {
		return net.JoinHostPort("127.0.0.1", defaultPort), false, nil
	}
	if !isPort(port) {
		return "", true, errors.New("invalid " + portVariable + ": must be a port number from 1 to 65535")
	}
	return net.JoinHostPort("127.0.0.1", port), true, nil
}

func parseEndpoint(text string) (server string, err error) {
	const use = "; use http://127.0.0.1:" + defaultPort
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", errors.New("invalid endpoint: must be a URL" + use)
	case u.User != nil:
		return "", errors.New("invalid endpoint: must not contain user info; use AWS_TOKEN for the token")
	case u.Scheme != "http":
		return "", errors.New("invalid endpoint: must start with http://" + use)
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return "", errors.New("invalid endpoint: must have only an address and a port" + use)
	case !isPort(u.Port()):
		return "", errors.New("invalid endpoint: must have a port number from 1 to 65535" + use)
	}
	host := u.Hostname()
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1" // localhost may resolve to ::1, where the extension does not listen
	}
	if addr, err := netip.ParseAddr(host); err != nil || addr.Zone() != "" || !addr.Unmap().IsLoopback() {
		return "", errors.New("invalid endpoint: must be a loopback address, because it receives a token" + use)
	}
	return net.JoinHostPort(host, u.Port()), nil
}

func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port != 0
}

// newTransport returns a transport that connects to server and to no other address. It
// keeps few idle connections, and closes them after 5 s. The agent counts idle
// connections, and drops each connection 61 s after it accepted the connection.
func newTransport(server string) *http1.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, ControlContext: requireLoopback}
	return http1.New(http1.Options{
		// Without a proxy: the server in HTTP_PROXY would receive the token.
		Dial: func(ctx context.Context, _ *url.URL) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", server)
		},
		MaxHeader:   64 << 10,
		MaxBody:     maxBody,
		MaxIdle:     4,
		IdleTimeout: 5 * time.Second,
	})
}

// requireLoopback checks the address again, after the dialer has resolved it.
func requireLoopback(_ context.Context, _, address string, _ syscall.RawConn) error {
	if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().Unmap().IsLoopback() {
		return errors.New("not a loopback address")
	}
	return nil
}

// query returns the query of a request for ref, without empty parameters, because the
// agent responds to those with 400. Both servers decode + as a space, so a plus sign is
// sent as %2B.
func query(ref hush.Ref) string {
	key := ref.Key()
	q := "secretId=" + url.QueryEscape(key.Name)
	if key.Version != "" {
		q += "&versionId=" + url.QueryEscape(key.Version)
	}
	if key.Stage != "" {
		q += "&versionStage=" + url.QueryEscape(key.Stage)
	}
	if _, fresh := ref.Freshness(); fresh {
		q += "&refreshNow=true"
	}
	return q
}

// send returns the response to a request. While the server is not ready, send waits as
// [Options.ReadyWait] says.
func (p *Provider) send(ctx context.Context, token, query string) (response, *APIError) {
	v := visit{readiness: p.ready}
	defer v.leave()
	for polls := 0; ; polls++ {
		if !v.enter(ctx) || v.hasTurn && polls > 0 && clock.Sleep(ctx, readyPoll) != nil {
			return response{}, notReady()
		}
		r, err := p.retry(ctx, token, query)
		switch {
		case err != nil && ctx.Err() != nil && polls > 0:
			return response{}, notReady()
		case err != nil:
			return response{}, p.noResponse(err)
		}
		v.note(!r.notReady())
		if !r.notReady() {
			return r, nil
		}
	}
}

// retry sends the request. If the connection breaks during the response, retry sends
// the request once more on a new connection. The agent drops each connection 61 s after
// it accepted the connection, even during a response, and so does a freeze in Lambda.
// The transport repeats a request only if an idle connection was dead before the first
// byte of the response.
func (p *Provider) retry(ctx context.Context, token, query string) (response, error) {
	r, err := p.roundTrip(ctx, token, query)
	if err != nil && ctx.Err() == nil && !isDial(err) && !errors.Is(err, httpbody.ErrTooLarge) {
		p.transport.Get().CloseIdleConnections()
		r, err = p.roundTrip(ctx, token, query)
	}
	if r.status == http.StatusTooManyRequests {
		// The agent responds with 429 on this connection until the connection is closed.
		p.transport.Get().CloseIdleConnections()
	}
	return r, err
}

// roundTrip does not use http.Client, which follows redirects and stores cookies.
func (p *Provider) roundTrip(ctx context.Context, token, query string) (response, error) {
	to := *p.request.URL
	to.RawQuery = query
	request := p.request.WithContext(ctx)
	request.URL = &to
	request.Header = http.Header{tokenHeader: {token}}
	r, err := p.transport.Get().RoundTrip(request)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = r.Body.Close() }()
	return response{status: r.StatusCode, body: http1.Bytes(r)}, nil
}

func isDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// noResponse returns the error of a request that failed with err. It does not quote err,
// because the errors of net/http quote parts of an invalid response.
func (p *Provider) noResponse(err error) *APIError {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) && p.tokens.inLambda:
		return unsent(ReasonNotConnected, fmt.Sprintf("nothing listens on %s; attach the extension's layer to the function", p.server))
	case errors.Is(err, syscall.ECONNREFUSED):
		return unsent(ReasonNotConnected, fmt.Sprintf("nothing listens on %s; start the agent", p.server))
	case isDial(err):
		return unsent(ReasonNotConnected, fmt.Sprintf("cannot connect to %s", p.server))
	case errors.Is(err, httpbody.ErrTooLarge):
		return unsent(ReasonInvalidResponse, "the response exceeds the limit of 1 MiB")
	}
	return unsent(ReasonConnectionLost, "the connection broke, or the response is not HTTP")
}
