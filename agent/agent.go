// Package agent serves the secrets of any [hush.Provider] by the HTTP protocol of the AWS
// Secrets Manager Agent. Clients of that agent, or of the Lambda extension, can therefore
// read secrets from Vault or the environment, in any language.
//
// The agent is for clients on the same machine that know its token:
//
//   - [Serve] rejects a listener that other machines can reach.
//   - A request without the token receives nothing but "healthy". An empty token rejects
//     every request.
//   - A request that a proxy has forwarded is rejected, even with the token.
//   - The agent uses the name in a request unchanged. It does not decode a name in a path.
//   - No response except the secret itself contains data of the provider. Error messages
//     are texts of this package. A panic of the provider is an error like any other.
//   - [Serve] limits the memory, the time and the number of all connections that have not
//     sent the token. It closes a connection after a response to a request without the
//     token.
//
// Each class of failure has its own error type, so that package extension restores the
// class that the provider returned.
package agent

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/namepattern"
)

const (
	queryPath     = "/secretsmanager/get"
	parameterPath = "/systemsmanager/"
	pingPath      = "/ping"
)

// DefaultPrefix is the default of Options.Prefix. AWS's agent has the same default.
const DefaultPrefix = "/v1/"

// DefaultMaxRequests is the default of Options.MaxRequests. AWS's agent has the same
// default.
const DefaultMaxRequests = 800

// Options are optional settings of a Handler. The zero value is the default.
type Options struct {
	// Allow lists the names that are served, as patterns of [path.Match]. In contrast to
	// path.Match, a set or range such as [^a] does not match a slash. A pattern must match
	// the whole name in the request, which may be an ARN. If a pattern is malformed, the
	// handler serves no secret. Nil means every name. Empty but not nil means no name.
	Allow []string

	// Prefix precedes the name of a secret in a path, such as /v1/ in /v1/db/prod. It must
	// begin with a slash, or it matches no path. It should end with a slash. The other
	// paths of the protocol take precedence. Empty means DefaultPrefix.
	Prefix string

	// MaxRequests is the maximum number of concurrent requests with the token. A further
	// request receives status 429, and a later request on the same connection may
	// succeed. The limit does not apply to /ping. Zero means DefaultMaxRequests. A
	// negative value means no limit.
	MaxRequests int
}

// Handler returns a handler that serves the secrets of p. A request must have token in the
// header X-Aws-Parameters-Secrets-Token or X-Vault-Token. If a request has several of
// these headers, each must have the token. In addition to the members of AWS's agent, a
// response can have Expires (in seconds since 1970, like CreatedDate), Stale and Fallback.
//
// If p has the method GetDerived of cachettl.Cache, the handler calls that method instead
// of Get, and p caches the encoded response with the secret. The Provider of package
// config has it. A Provider that embeds such a Provider and has its own Get also needs its
// own GetDerived.
//
// Use the handler on loopback only, as Serve does. An empty token rejects every request.
// Nil opts means the defaults.
func Handler(p hush.Provider, token string, opts *Options) http.Handler {
	if opts == nil {
		opts = &Options{}
	}
	h := &handler{
		provider: p, closed: token == "", digest: sha256.Sum256([]byte(token)),
		allowAll: opts.Allow == nil, prefix: cmp.Or(opts.Prefix, DefaultPrefix),
	}
	if h.limiter.limit = int64(cmp.Or(opts.MaxRequests, DefaultMaxRequests)); h.limiter.limit < 0 {
		h.limiter.limit = math.MaxInt64
	}
	for _, text := range opts.Allow {
		pattern, err := namepattern.Parse(text)
		h.allow, h.malformed = append(h.allow, pattern), errors.Join(h.malformed, err)
	}
	return h
}

type handler struct {
	provider  hush.Provider
	closed    bool              // the token is empty
	digest    [sha256.Size]byte // of the token
	allowAll  bool
	allow     []namepattern.Pattern
	malformed error // of patterns that cannot be parsed
	prefix    string
	limiter   limiter
}

// bodyTimeout limits the time for the body of a request. The agent ignores the body, but
// net/http reads it before the next request and before a graceful shutdown.
const bodyTimeout = 100 * time.Millisecond

// ServeHTTP makes the checks of AWS's agent in the same order. It closes the connection
// after the response to a request without the token, so that clients without the token
// cannot keep the agent busy.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	authentic, path := h.authenticates(r.Header), rawPath(r.URL)
	if !authentic {
		h.reject(r, path).writeAndClose(w, r)
		return
	}
	markAuthenticated(r.Context())
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // unsupported by test recorders
	}
	switch {
	case path == pingPath:
		h.ping(r.Method).write(w)
	case !h.limiter.acquire():
		overLimit.write(w)
	default:
		defer h.limiter.release()
		h.route(r, path).write(w)
	}
}

func (h *handler) ping(method string) response {
	switch {
	case h.closed:
		return badToken
	case method != http.MethodGet:
		return notAllowed
	}
	return healthy
}

// reject returns the response to a request that is not authenticated. The request does not
// count for the limiter.
func (h *handler) reject(r *http.Request, path string) response {
	switch {
	case path == pingPath:
		return h.ping(r.Method)
	case h.limiter.full():
		return overLimit
	case !h.closed && isForwarded(r.Header):
		return plain(http.StatusBadRequest, "Forwarded")
	}
	return badToken
}

// authenticates reports whether a request with header was not forwarded and has the token,
// and no other token. Hashing both tokens first also hides the length of the token.
func (h *handler) authenticates(header http.Header) bool {
	if h.closed || isForwarded(header) {
		return false
	}
	tokens, right := 0, 1
	for _, name := range [...]string{"X-Aws-Parameters-Secrets-Token", "X-Vault-Token"} {
		for _, token := range header[name] {
			digest := sha256.Sum256([]byte(token))
			right &= subtle.ConstantTimeCompare(digest[:], h.digest[:])
			tokens++
		}
	}
	return tokens > 0 && right == 1
}

// route responds to an authenticated request.
func (h *handler) route(r *http.Request, path string) response {
	if r.Method != http.MethodGet {
		return notAllowed
	}
	var ref hush.Ref
	var problem string
	switch {
	case path == queryPath:
		if ref, problem = parseQuery(r.URL.RawQuery, true); problem == "" && ref.Name == "" {
			problem = "missing parameter secretId"
		}
	case strings.HasPrefix(path, parameterPath):
		return plain(http.StatusNotFound, "Not found: Parameter Store is not served here, only "+queryPath)
	case strings.HasPrefix(path, h.prefix):
		ref, problem = parseQuery(r.URL.RawQuery, false)
		if ref.Name = strings.TrimPrefix(path, h.prefix); ref.Name == "" {
			problem = "missing secret ID"
		}
	default:
		return plain(http.StatusNotFound, "Not found")
	}
	if problem != "" {
		return plain(http.StatusBadRequest, problem)
	}
	return h.get(r.Context(), ref)
}

// get returns the response for ref. If the provider panics, the response does not have the
// text of the panic, which may contain a secret.
func (h *handler) get(ctx context.Context, ref hush.Ref) (r response) {
	defer func() {
		if recover() != nil {
			r = failure(hush.ErrUnavailable)
		}
	}()
	switch {
	case h.malformed != nil:
		return failed("InternalFailure", "the allow-list has a malformed pattern")
	case !h.allows(ref.Name):
		return failed("AccessDeniedException", "this name is not on the allow-list")
	}
	r, err := fetch(ctx, h.provider, ref)
	if err != nil {
		return failure(hush.ClassOf(err))
	}
	return r
}

func (h *handler) allows(id string) bool {
	for _, pattern := range h.allow {
		if pattern.Match(id) {
			return true
		}
	}
	return h.allowAll
}

// A derivingProvider caches what derive returns for a secret together with the secret. See
// cachettl.Cache.GetDerived.
type derivingProvider interface {
	GetDerived(ctx context.Context, ref hush.Ref, key any, derive func(hush.Secret) any) (any, error)
}

// A cachedResponse is a response with a secret. Its id differs from that of a request if a
// decorator gives one secret two names.
type cachedResponse struct {
	id       string
	response response
}

// cachedResponseKey is the key of a cachedResponse in a derivingProvider.
type cachedResponseKey struct{}

// fetch returns the response with the secret of ref.
func fetch(ctx context.Context, p hush.Provider, ref hush.Ref) (response, error) {
	id := ref.Name
	if deriving, ok := p.(derivingProvider); ok {
		derived, err := deriving.GetDerived(ctx, ref, cachedResponseKey{}, func(s hush.Secret) any {
			return &cachedResponse{id, found(id, s)}
		})
		if err != nil {
			return response{}, err
		}
		if cached := derived.(*cachedResponse); cached.id == id {
			return cached.response, nil
		}
	}
	secret, err := p.Get(ctx, ref)
	if err != nil {
		return response{}, err
	}
	return found(id, secret), nil
}

// A limiter limits the requests in flight. A request that it rejects does not count, so
// that rejections do not cause further rejections.
type limiter struct {
	limit    int64
	inFlight atomic.Int64
}

// acquire counts a request and reports whether the limit allows it.
func (l *limiter) acquire() bool {
	for n := l.inFlight.Load(); n < l.limit; n = l.inFlight.Load() {
		if l.inFlight.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

func (l *limiter) release() { l.inFlight.Add(-1) }

// full reports whether acquire would fail.
func (l *limiter) full() bool { return l.inFlight.Load() >= l.limit }
