package vault

import (
	"context"
	"fmt"
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
	clientTimeout  = 60 * time.Second
)

// ClientOptions are the settings of NewClient. The zero value takes them all from
// the VAULT_ variables.
//
// What an option says wins, and a variable that says something else about the same
// is an error that names both, because one of them is a mistake:
//
//	VAULT_ADDR, VAULT_AGENT_ADDR       Addresses; of the two variables the agent's
//	VAULT_NAMESPACE                    Namespace
//	VAULT_TOKEN                        Token
//	VAULT_CACERT, _CACERT_BYTES        CAFile, CAPEM; the first of the variables in
//	VAULT_CAPATH                       this order, and CAPath
//	VAULT_CLIENT_CERT, _CLIENT_KEY     ClientCertFile, ClientKeyFile
//	VAULT_TLS_SERVER_NAME              ServerName
//	VAULT_SKIP_VERIFY                  if true, an error without InsecureSkipVerify
//	VAULT_MAX_RETRIES                  obeyed; else 1
//	VAULT_CLIENT_TIMEOUT               obeyed, for each request; else 60 s
//	VAULT_RATE_LIMIT                   obeyed
//	VAULT_HEADERS                      obeyed
//	VAULT_DISABLE_REDIRECTS            obeyed
//	VAULT_PROXY_ADDR, _HTTP_PROXY      obeyed, but never for loopback; else HTTPS_PROXY
//	                                   and its like
//	VAULT_SRV_LOOKUP                   if true, an error for an address without a port:
//	                                   DNS does not choose who gets the token
//	VAULT_WRAP_TTL                     not used: a wrapped answer holds no secret
//	VAULT_MFA                          not used, nor by the official client
type ClientOptions struct {
	// Addresses are the nodes of one cluster: "https://host:8200", all https or all
	// http, without a path; without a scheme it is https, and without a port the
	// scheme's. The one that served last is asked first. "unix:///run/vault.sock" may
	// stand alone. None: that of VAULT_AGENT_ADDR or VAULT_ADDR.
	//
	// Over http the token and the secrets can be read on the way. That is for
	// loopback, and for networks that encrypt by themselves.
	Addresses []string

	// Namespace is a namespace of Vault Enterprise or OpenBao, with or without slashes
	// around it. Empty means VAULT_NAMESPACE, or no namespace.
	Namespace string

	// Token is the client's token before any login. Empty means VAULT_TOKEN, or
	// without that no token. [New] and [NewReader] then use the token that "vault
	// login" stored in ~/.vault-token, if the address is that of VAULT_ADDR or
	// VAULT_AGENT_ADDR, and read the file again when it changes.
	Token hush.Value

	// CAFile is the path of a file with the PEM certificates of the CAs that are
	// trusted, CAPEM is the content of one, and CAPath is a folder of them, and of
	// those below it. One of them replaces the system's CAs. None: the system's, or
	// what VAULT_CACERT and its like say.
	CAFile string
	CAPEM  []byte
	CAPath string

	// ClientCertFile and ClientKeyFile are the paths of a PEM certificate, and of its
	// key, that Vault asks clients for. They are read for each connection: they may
	// be replaced while the program runs. Empty: none, or VAULT_CLIENT_CERT and
	// VAULT_CLIENT_KEY.
	ClientCertFile, ClientKeyFile string

	// ServerName is the name that Vault's certificate must have. Empty: the host of
	// the address, or VAULT_TLS_SERVER_NAME.
	ServerName string

	// InsecureSkipVerify lets anybody who can intercept a connection take the token
	// and the secrets. It is logged, at level Warn.
	InsecureSkipVerify bool

	// Logger is where InsecureSkipVerify is logged. Nil: slog.Default().
	Logger *slog.Logger

	// IgnoreEnvironment makes no use of any VAULT_ variable. The official client
	// still refuses those that it cannot read.
	IgnoreEnvironment bool
}

// NewClient returns the official client, tuned for reading secrets: a dead address
// is known after 500 ms, a request is tried twice with less than 100 ms between, an
// answer that asks for a wait is not tried again, an idle connection is closed
// before a minute is over, TLS is 1.2 at least, and an answer is at most 4 MiB. A
// nil opts is the default. NewClient contacts nobody.
//
// With several addresses the client passes over those that cannot be reached, and
// those that answer 502, 503 or 504, as a sealed node does. It follows a redirect
// from one of them to another, as a standby sends it, and to nowhere else.
//
// Without any address the error is ErrAbsent. An option that cannot work, or that a
// variable contradicts, is an error that says what to do and quotes no credential.
//
// The client's transport is not an *http.Transport, which makes its own methods
// SetMaxIdleConnections, SetDisableKeepAlives and SetOutputCurlString useless.
func NewClient(opts *ClientOptions) (*api.Client, error) {
	if opts == nil {
		opts = &ClientOptions{}
	}
	return newClient(opts, func(field string) string { return "ClientOptions." + field })
}

// newClient is NewClient for a caller that has other names for the options.
func newClient(opts *ClientOptions, called func(field string) string) (*api.Client, error) {
	e := environment{ignored: opts.IgnoreEnvironment, called: called}
	given, giver, err := e.addresses(opts.Addresses)
	if err != nil {
		return nil, err
	}
	to, err := route.ParseDestination(given)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", giver, err)
	}
	routeOptions, err := newRouteOptions(opts, e, to)
	if err != nil {
		return nil, err
	}
	client, err := configured(e, to.Origins[0].String(), route.New(to, routeOptions))
	if err != nil {
		return nil, err
	}
	if err := identify(client, opts, e); err != nil {
		return nil, err
	}
	if opts.InsecureSkipVerify {
		warnUnverified(opts.Logger, to)
	}
	return client, nil
}

func newRouteOptions(opts *ClientOptions, e environment, to route.Destination) (o route.Options, err error) {
	if o.TLS, err = newTLSConfig(opts, e); err != nil {
		return o, err
	}
	if err := checkSRV(e, to); err != nil {
		return o, err
	}
	if o.Proxy, err = e.proxy(); err != nil {
		return o, err
	}
	o.NoRedirects, _, err = e.flag(api.EnvVaultDisableRedirects)
	// An address in the options that differs from the environment's is an error.
	o.FromEnvironment = e.get(api.EnvVaultAgentAddr) != "" || e.get(api.EnvVaultAddress) != ""
	return o, err
}

// checkSRV rejects an address whose host DNS would choose. The official client looks up
// SRV records for an address without a port.
func checkSRV(e environment, to route.Destination) error {
	lookup, _, err := e.flag(api.EnvVaultSRVLookup)
	if err != nil || !lookup || to.Socket != "" {
		return err
	}
	for _, o := range to.Origins {
		if !o.HasPort() {
			return fmt.Errorf("%s is true, but hush does not look up SRV records: give the addresses with their ports", api.EnvVaultSRVLookup)
		}
	}
	return nil
}

// configured returns a client with that transport.
func configured(e environment, address string, r *route.Router) (*api.Client, error) {
	retries, err := e.retries()
	if err != nil {
		return nil, err
	}
	timeout, err := e.timeout()
	if err != nil {
		return nil, err
	}
	perSecond, burst, err := e.rate()
	if err != nil {
		return nil, err
	}
	client, err := route.NewClient(&api.Config{
		Address:    address,
		HttpClient: &http.Client{Transport: r},
		MaxRetries: retries,
		Timeout:    timeout,
		Backoff:    backoff,
		CheckRetry: route.RetryPolicy(impatient),
	})
	if err == nil && perSecond > 0 {
		client.SetLimiter(perSecond, burst)
	}
	return client, err
}

// identify gives client its token, namespace and headers, and takes from it what the
// environment gave it.
func identify(client *api.Client, opts *ClientOptions, e environment) error {
	token, err := e.text("Token", opts.Token.Reveal(), api.EnvVaultToken)
	if err != nil {
		return err
	}
	namespace, err := e.namespace(opts.Namespace)
	if err != nil {
		return err
	}
	headers, err := e.headers(namespace)
	if err != nil {
		return err
	}
	client.SetToken(token)
	client.SetHeaders(headers)
	return nil
}

func warnUnverified(logger *slog.Logger, to route.Destination) {
	if logger == nil {
		logger = slog.Default()
	}
	for _, at := range to.Origins {
		if at.IsHTTPS() {
			logger.Warn("vault: the certificate of this address is not verified: whoever intercepts a connection gets the token and the secrets",
				slog.String("address", at.String()))
		}
	}
}

// backoff waits for less than 100 ms before the first retry, and for no more than a
// second before any that VAULT_MAX_RETRIES asks for.
func backoff(_, _ time.Duration, attempt int, _ *http.Response) time.Duration {
	wait := (25*time.Millisecond + rand.N(50*time.Millisecond)) << min(attempt, 10) //nolint:gosec // jitter
	return min(wait, time.Second)
}

// impatient is the client's own policy, without waiting where an answer says how long
// to.
func impatient(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if resp != nil && resp.Header.Get("Retry-After") != "" {
		return false, nil
	}
	return api.DefaultRetryPolicy(ctx, resp, err)
}
