// Package agent serves secrets from any [hush.Provider] by the HTTP protocol of
// the AWS Secrets Manager Agent. Code in any language that was written for that agent,
// or for the Lambda extension, can therefore read from Vault or the environment.
//
// The agent is for clients on the same machine that know its token:
//
//   - [Serve] refuses a listener that other machines could reach.
//   - A request without the token gets nothing but "healthy". An empty token refuses
//     every request.
//   - A request that a proxy forwarded is refused, even with the token.
//   - A name means exactly that name: the agent does not parse, clean or decode it.
//   - No response except the secret itself contains anything of the provider's. Errors
//     have texts of this package, and a provider's panic is an error like any other.
//   - [Serve] bounds the memory, the time and the number of connections that have not
//     shown the token, all of them together, and closes a connection after each
//     response to a request without the token.
//
// Each class of failure has an error type of its own, so that package extension
// restores the class that the provider returned.
package agent

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/namepattern"
)

const (
	queryPath     = "/secretsmanager/get"
	parameterPath = "/systemsmanager/"
	pingPath      = "/ping"
)

// DefaultPrefix is Options.Prefix if that is empty, as in AWS's agent.
const DefaultPrefix = "/v1/"

// DefaultMaxRequests is Options.MaxRequests if that is 0, as in AWS's agent.
const DefaultMaxRequests = 800

// Options configure a Handler. Nil means the zero value, which has the documented
// defaults.
type Options struct {
	// Allow lists the names that are served, as patterns of [path.Match] with one
	// difference: a set or range such as [^a] does not match a slash, as * and ? do
	// not. A pattern must match the whole name in the request, which may be an ARN. A
	// malformed pattern refuses every secret. Nil means every name. Empty but not nil
	// means no name.
	Allow []string

	// Prefix precedes a secret's name in a path, such as /v1/ in /v1/db/prod. It must
	// begin with a slash, or it matches no path, and it should end with one. The
	// other paths take precedence. Empty means DefaultPrefix.
	Prefix string

	// MaxRequests is how many requests with the token are served at the same time. A
	// further request gets status 429; a later request on the same connection may
	// succeed. Requests for /ping are not limited. Zero means DefaultMaxRequests. A
	// negative value means no limit.
	MaxRequests int
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if o.MaxRequests == 0 {
		o.MaxRequests = DefaultMaxRequests
	}
	return o
}

// Handler returns a handler that serves the secrets of p to requests that have token
// in the header X-Aws-Parameters-Secrets-Token or X-Vault-Token. If a request has
// several of these headers, each must have the token. In addition to AWS's members, a
// response may have Expires (in seconds since 1970, like CreatedDate), Stale and
// Fallback.
//
// If p has the method GetDerived of cachettl.Cache, as the Provider of package config
// has, the handler calls that method and not Get. The encoded response is then kept for
// as long as the secret is cached. A Provider that embeds one of these and has a Get of
// its own needs a GetDerived of its own, too.
//
// Use the handler on loopback only, as Serve does. An empty token refuses every
// request.
func Handler(p hush.Provider, token string, opts *Options) http.Handler {
	var o Options
	if opts != nil {
		o = *opts
	}
	o = o.withDefaults()
	h := &handler{
		provider: p, closed: token == "", digest: sha256.Sum256([]byte(token)),
		limited: o.Allow != nil, prefix: o.Prefix, limiter: limiter{limit: int64(o.MaxRequests)},
	}
	for _, text := range o.Allow {
		pattern, err := namepattern.Parse(text)
		h.allow, h.malformed = append(h.allow, pattern), errors.Join(h.malformed, err)
	}
	return h
}

type handler struct {
	provider  hush.Provider
	closed    bool              // the token is empty
	digest    [sha256.Size]byte // of the token
	limited   bool              // to the names that allow matches
	allow     []namepattern.Pattern
	malformed error // patterns that cannot be parsed
	prefix    string
	limiter   limiter
}

// bodyTimeout is how long a request's body may take, which the agent does not need:
// net/http reads it before the next request, and so would a graceful stop.
const bodyTimeout = 100 * time.Millisecond

// ServeHTTP makes the checks of AWS's agent in the same order. A connection is closed
// after the response to a request that it does not authenticate, so that clients
// without the token cannot keep the agent busy.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	authentic, path := h.authenticates(r.Header), rawPath(r.URL)
	if !authentic {
		h.refuse(r, path).writeAndClose(w, r)
		return
	}
	authenticateConn(r.Context())
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // unsupported by test recorders
	}
	switch {
	case path == pingPath:
		h.ping(r.Method).write(w)
	case !h.limiter.acquire():
		overLimit().write(w)
	default:
		defer h.limiter.release()
		h.route(r, path).write(w)
	}
}

func (h *handler) ping(method string) response {
	switch {
	case h.closed:
		return badToken()
	case method != http.MethodGet:
		return notAllowed()
	}
	return plain(http.StatusOK, "healthy")
}

// refuse returns the response to a request that is not authenticated. It takes no
// place of the limiter.
func (h *handler) refuse(r *http.Request, path string) response {
	switch {
	case path == pingPath:
		return h.ping(r.Method)
	case h.limiter.full():
		return overLimit()
	case !h.closed && isForwarded(r.Header):
		return plain(http.StatusBadRequest, "Forwarded")
	}
	return badToken()
}

func badToken() response   { return plain(http.StatusForbidden, "Bad Token") }
func notAllowed() response { return plain(http.StatusMethodNotAllowed, "Not allowed") }
func overLimit() response {
	return plain(http.StatusTooManyRequests, "Connection limit exceeded")
}

// authenticates reports whether a request with this header has the token and was not
// forwarded. Every token in the header must be the token. Hashing both sides first
// hides the token's length, too.
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
		return notAllowed()
	}
	var req request
	var fault string
	switch {
	case path == queryPath:
		req, fault = parseQuery(r.URL.RawQuery, true)
		if fault == "" && req.id == "" {
			fault = "missing parameter secretId"
		}
	case strings.HasPrefix(path, parameterPath):
		return plain(http.StatusNotFound, "Not found: Parameter Store is not served here, only "+queryPath)
	case strings.HasPrefix(path, h.prefix):
		req, fault = parseQuery(r.URL.RawQuery, false)
		if req.id = strings.TrimPrefix(path, h.prefix); req.id == "" {
			fault = "missing secret ID"
		}
	default:
		return plain(http.StatusNotFound, "Not found")
	}
	if fault != "" {
		return plain(http.StatusBadRequest, fault)
	}
	return h.get(r.Context(), req)
}

func (h *handler) get(ctx context.Context, req request) response {
	switch {
	case h.malformed != nil:
		return failed("InternalFailure", "the allow-list has a malformed pattern")
	case !h.allows(req.id):
		return failed("AccessDeniedException", "this name is not on the allow-list")
	}
	r, err := getRecovering(ctx, h.provider, req)
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
	return !h.limited
}

// A derivingProvider keeps what derive makes of a secret for as long as it caches the
// secret. The cachettl.Cache is one; see its GetDerived.
type derivingProvider interface {
	GetDerived(ctx context.Context, ref hush.Ref, key any, derive func(hush.Secret) any) (any, error)
}

// A keptResponse is a response with a secret. The id differs from that of a request if
// a decorator gives one secret two names.
type keptResponse struct {
	id       string
	response response
}

// foundKey is the key of the responses that a derivingProvider keeps.
type foundKey struct{}

// getRecovering is get without its panics. The error does not have the text of a
// panic, because net/http would log it.
func getRecovering(ctx context.Context, p hush.Provider, req request) (r response, err error) {
	defer func() {
		if recover() != nil {
			r, err = response{}, hush.ErrUnavailable
		}
	}()
	return get(ctx, p, req)
}

// get returns the response with the secret that req names.
func get(ctx context.Context, p hush.Provider, req request) (response, error) {
	id := req.id
	if deriving, ok := p.(derivingProvider); ok {
		kept, err := deriving.GetDerived(ctx, req.ref(), foundKey{}, func(s hush.Secret) any {
			return &keptResponse{id, found(id, s)}
		})
		if err != nil {
			return response{}, err
		}
		if kept := kept.(*keptResponse); kept.id == id {
			return kept.response, nil
		}
	}
	secret, err := p.Get(ctx, req.ref())
	if err != nil {
		return response{}, err
	}
	return found(id, secret), nil
}
