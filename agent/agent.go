// Package agent serves secrets from any [hush.Provider] by the HTTP protocol of
// the AWS Secrets Manager Agent, so that code in any language that was written for
// it, or for the Lambda extension, reads from Vault or the environment.
//
// It is for loopback alone and for those who know its token:
//
//   - [Serve] refuses a listener that other machines could reach.
//   - A request without the token gets nothing but "healthy", and an empty token
//     lets nobody in.
//   - A request that a proxy forwarded is refused, whatever it carries.
//   - A name means that name: nothing in it is parsed, cleaned or decoded twice.
//   - No answer but the secret itself holds anything of the provider's: errors are
//     in our words, and a provider's panic is an error like any other.
//
// Each class of failure has an error type of its own, so that package extension
// reads back the class that the provider had.
package agent

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hush-secrets/hush"
)

const (
	queryPath     = "/secretsmanager/get"
	parameterPath = "/systemsmanager/"
	pingPath      = "/ping"
)

// DefaultPrefix is what Options.Prefix is if it is empty, as in AWS's agent.
const DefaultPrefix = "/v1/"

// DefaultMaxRequests is what Options.MaxRequests is if it is 0, as in AWS's agent.
const DefaultMaxRequests = 800

// pingReserve is how many requests for /ping are answered beyond the limit, so that
// an agent with much to do is not taken for a dead one. AWS's agent has as many.
const pingReserve = 2

// Options are what a Handler can be told. The zero value, like nil, is the
// documented default of each.
type Options struct {
	// Allow lists the names that may be asked for, as patterns of [path.Match],
	// where * does not cross a slash. They are compared with the name as asked, which
	// may be an ARN: it needs a pattern of its own, but * is also one for each ARN
	// without a slash. A malformed pattern refuses every secret.
	// Nil: every name. Empty but not nil: none.
	Allow []string

	// Prefix is what stands before a secret's name in a path, /v1/ in
	// /v1/db/prod. It begins with a slash and should end with one; a prefix that
	// does not begin with one matches no path. The other paths go before it. Empty:
	// DefaultPrefix.
	Prefix string

	// MaxRequests is how many requests are answered at the same time; one more is
	// status 429, and two more are if they are for /ping. AWS's agent counts
	// connections, and answers one that came over the limit with 429 for as long as
	// it lasts; here it is the request that counts, and the next one on the same
	// connection has its own luck. 0: DefaultMaxRequests. Negative: no limit.
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

// Handler returns a handler that answers from p whoever sends token in the header
// X-Aws-Parameters-Secrets-Token or X-Vault-Token. Beside the members that AWS
// has, an answer may hold Expires (in seconds since 1970, like CreatedDate), Stale
// and Fallback.
//
// Put it on loopback only, as Serve does. An empty token refuses every request.
func Handler(p hush.Provider, token string, options *Options) http.Handler {
	var o Options
	if options != nil {
		o = *options
	}
	o = o.withDefaults()
	return &handler{
		provider: p, closed: token == "", digest: sha256.Sum256([]byte(token)),
		limited: o.Allow != nil, allow: slices.Clone(o.Allow), prefix: o.Prefix, places: places{limit: int64(o.MaxRequests)},
	}
}

type handler struct {
	provider hush.Provider
	closed   bool
	digest   [sha256.Size]byte // of the token
	limited  bool
	allow    []string
	prefix   string
	places   places
}

// bodyTime is how long a body may take that nobody wants: net/http waits for it
// before it answers, and so would a graceful stop.
const bodyTime = 100 * time.Millisecond

// ServeHTTP makes the agent's checks in the agent's order.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)) // which a test's writer may not have
	}
	route := rawPath(r.URL)
	reserve := 0
	if route == pingPath {
		reserve = pingReserve
	}
	if !h.places.take(reserve) {
		plain(http.StatusTooManyRequests, "Connection limit exceeded").write(w)
		return
	}
	defer h.places.leave()
	_, forwarded := r.Header["X-Forwarded-For"]
	switch {
	case h.closed:
		plain(http.StatusForbidden, "Bad Token").write(w)
	case route == pingPath && r.Method == http.MethodGet:
		plain(http.StatusOK, "healthy").write(w)
	case route == pingPath:
		plain(http.StatusMethodNotAllowed, "Not allowed").write(w)
	case forwarded:
		plain(http.StatusBadRequest, "Forwarded").write(w)
	case !h.knows(r.Header):
		plain(http.StatusForbidden, "Bad Token").write(w)
	case r.Method != http.MethodGet:
		plain(http.StatusMethodNotAllowed, "Not allowed").write(w)
	default:
		h.route(r, route).write(w)
	}
}

// rawPath returns the path as it was sent: EscapedPath alone escapes what should
// have been and was not. Routing on a decoded path would find a route in a name.
func rawPath(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath()
}

// knows reports whether one of the token's headers holds it. Hashing both sides
// first hides its length, too.
func (h *handler) knows(header http.Header) bool {
	found := 0
	for _, name := range [...]string{"X-Aws-Parameters-Secrets-Token", "X-Vault-Token"} {
		for _, token := range header[name] {
			digest := sha256.Sum256([]byte(token))
			found |= subtle.ConstantTimeCompare(digest[:], h.digest[:])
		}
	}
	return found == 1
}

func (h *handler) route(r *http.Request, route string) answer {
	var q question
	var fault string
	switch {
	case route == queryPath:
		q, fault = parseQuery(r.URL.RawQuery, true)
		if fault == "" && q.id == "" {
			fault = "missing parameter secretId"
		}
	case strings.HasPrefix(route, parameterPath):
		return plain(http.StatusNotFound, "Not found: Parameter Store is not served here, only "+queryPath)
	case strings.HasPrefix(route, h.prefix):
		q, fault = parseQuery(r.URL.RawQuery, false)
		if q.id = strings.TrimPrefix(route, h.prefix); q.id == "" {
			fault = "missing secret ID"
		}
	default:
		return plain(http.StatusNotFound, "Not found")
	}
	if fault != "" {
		return plain(http.StatusBadRequest, fault)
	}
	return h.get(r.Context(), q)
}

func (h *handler) get(ctx context.Context, q question) answer {
	switch allowed, err := h.allows(q.id); {
	case err != nil:
		return failed("InternalFailure", "the allow-list has a malformed pattern")
	case !allowed:
		return failed("AccessDeniedException", "this name is not on the allow-list")
	}
	secret, err := calmly(ctx, h.provider, q.ref())
	if err != nil {
		return failure(hush.ClassOf(err))
	}
	return found(q.id, secret)
}

// allows looks at every pattern, so that a malformed one is known on the first
// request and not on the first that gets as far.
func (h *handler) allows(id string) (allowed bool, err error) {
	for _, pattern := range h.allow {
		matches, bad := path.Match(pattern, id)
		allowed, err = allowed || matches, errors.Join(err, bad)
	}
	return allowed || !h.limited, err
}

// calmly asks p, and makes a panic of it an error that says nothing: net/http
// would log the panic's text.
func calmly(ctx context.Context, p hush.Provider, ref hush.Ref) (secret hush.Secret, err error) {
	defer func() {
		if recover() != nil {
			err = hush.ErrUnavailable
		}
	}()
	return p.Get(ctx, ref)
}
