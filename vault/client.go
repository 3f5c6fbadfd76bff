package vault

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/internal/route"
)

const (
	defaultRetries = 1
	requestTimeout = 60 * time.Second
)

// ClientOptions are the settings of NewClient. The zero value takes all settings from the
// environment variables of Vault.
//
// An option takes precedence over its variable. If they differ, NewClient returns an
// error that names both, because one of them is a mistake.
//
//	VAULT_ADDR, VAULT_AGENT_ADDR     Addresses; VAULT_AGENT_ADDR takes precedence
//	VAULT_NAMESPACE                  Namespace
//	VAULT_TOKEN                      Token
//	VAULT_CACERT                     CAFile
//	VAULT_CACERT_BYTES               CAPEM, if VAULT_CACERT is not set
//	VAULT_CAPATH                     CAFile, if neither of these is set
//	VAULT_CLIENT_CERT, _CLIENT_KEY   ClientCertFile, ClientKeyFile
//	VAULT_TLS_SERVER_NAME            ServerName
//	VAULT_SKIP_VERIFY                if true, InsecureSkipVerify is required as well
//	VAULT_MAX_RETRIES                retries of a request; default 1
//	VAULT_CLIENT_TIMEOUT             timeout of a request; default 60 s
//	VAULT_RATE_LIMIT                 requests per second
//	VAULT_HEADERS                    additional headers
//	VAULT_DISABLE_REDIRECTS          if true, redirects are not followed
//	VAULT_PROXY_ADDR, _HTTP_PROXY    proxy, except for loopback; default HTTPS_PROXY and
//	                                 similar variables
//	VAULT_SRV_LOOKUP                 if true, each address must have a port: hush does not
//	                                 let DNS choose the host that receives the token
//	VAULT_WRAP_TTL, VAULT_MFA        ignored
type ClientOptions struct {
	// Addresses are the nodes of one cluster: "https://host:8200", all https or all http,
	// without a path. The default scheme is https, and the default port is the scheme's.
	// The address that served last is used first. The single address
	// "unix:///run/vault.sock" is a Unix socket. Empty means VAULT_AGENT_ADDR or
	// VAULT_ADDR.
	//
	// With http, others can read the token and the secrets on their way. Use it for
	// loopback and for networks that encrypt by themselves.
	Addresses []string

	// Namespace is a namespace of Vault Enterprise or OpenBao, with or without slashes
	// around it. Empty means VAULT_NAMESPACE, or no namespace.
	Namespace string

	// Token is the client's token before any login. Empty means VAULT_TOKEN. If that is
	// not set either, [New] and [NewReader] use the token that "vault login" stored in
	// ~/.vault-token, and read the file again when it changes. They do so only if the
	// address is that of VAULT_ADDR or VAULT_AGENT_ADDR.
	Token hush.Value

	// CAFile is the path of a PEM file with the certificates of the trusted CAs, or of a
	// folder of such files. CAPEM is the content of such a file. One of them replaces the
	// system's CAs. Empty means the variables above, or the system's CAs.
	CAFile string
	CAPEM  []byte

	// ClientCertFile and ClientKeyFile are the paths of a PEM certificate and its key for
	// a Vault that requires client certificates. They are read for each connection, so
	// that they can be replaced while the program runs. Empty means VAULT_CLIENT_CERT and
	// VAULT_CLIENT_KEY, or no certificate.
	ClientCertFile, ClientKeyFile string

	// ServerName is the name in Vault's certificate. Empty means VAULT_TLS_SERVER_NAME, or
	// the host of the address.
	ServerName string

	// InsecureSkipVerify disables the verification of Vault's certificate. Anyone who can
	// intercept a connection can then take the token and the secrets. It is logged at
	// level Warn.
	InsecureSkipVerify bool

	// Logger logs InsecureSkipVerify. Nil means slog.Default().
	Logger *slog.Logger

	// IgnoreEnvironment ignores the VAULT_ variables. The official client still rejects
	// those that it cannot parse.
	IgnoreEnvironment bool
}

// NewClient returns the official client, tuned for reading secrets:
//
//   - A connection attempt fails after 500 ms.
//   - A request is retried once, within 100 ms. It is not retried if the response asks for
//     a wait.
//   - A connection that is idle for 50 s is closed.
//   - TLS is at least 1.2.
//   - A response above 4 MiB is an error.
//
// If an address cannot be reached, or responds with 502, 503 or 504 as a sealed node
// does, the client uses the next address. It follows a redirect of a standby node only to
// another configured address.
//
// Nil opts means the defaults. NewClient contacts no store. Without an address, the error
// is ErrAbsent. An error says what to do and quotes no credential.
//
// The client's transport is not an *http.Transport, so that the client's methods
// SetMaxIdleConnections, SetDisableKeepAlives and SetOutputCurlString have no effect.
func NewClient(opts *ClientOptions) (*api.Client, error) {
	if opts == nil {
		opts = &ClientOptions{}
	}
	s := &settings{ignoreEnv: opts.IgnoreEnvironment}
	to, err := s.destination(opts.Addresses)
	if err != nil {
		return nil, err
	}
	router := route.New(to, s.routeOptions(opts))
	perSecond, burst := s.rateLimit()
	token := s.text("token", opts.Token.Reveal(), api.EnvVaultToken)
	headers := s.headers(opts.Namespace)
	cfg := &api.Config{
		Address:    to.Origins[0].String(),
		HttpClient: &http.Client{Transport: router},
		MaxRetries: s.retries(),
		Timeout:    s.requestTimeout(),
		Backoff:    backoff,
		CheckRetry: route.RetryPolicy(retryWithoutWaiting),
	}
	if err := s.faults.Err(); err != nil {
		return nil, err
	}
	client, err := route.NewClient(cfg)
	if err != nil {
		return nil, err
	}
	if perSecond > 0 {
		client.SetLimiter(perSecond, burst)
	}
	client.SetToken(token)
	client.SetHeaders(headers)
	if opts.InsecureSkipVerify {
		logUnverified(opts.Logger, to)
	}
	return client, nil
}

func logUnverified(logger *slog.Logger, to route.Destination) {
	if logger == nil {
		logger = slog.Default()
	}
	for _, o := range to.Origins {
		if o.IsHTTPS() {
			logger.Warn("vault: the certificate of this address is not verified: anyone who can intercept a connection gets the token and the secrets",
				slog.String("address", o.String()))
		}
	}
}

// backoff waits for less than 100 ms before the first retry, and for at most 1 s before
// the others.
func backoff(_, _ time.Duration, attempt int, _ *http.Response) time.Duration {
	wait := (25*time.Millisecond + rand.N(50*time.Millisecond)) << min(attempt, 10) //nolint:gosec // jitter
	return min(wait, time.Second)
}

// retryWithoutWaiting is the official client's policy without the retries that wait for a
// Retry-After.
func retryWithoutWaiting(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if resp != nil && resp.Header.Get("Retry-After") != "" {
		return false, nil
	}
	return api.DefaultRetryPolicy(ctx, resp, err)
}
