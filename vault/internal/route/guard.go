package route

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// Guard returns a copy of client with the same headers, namespace and transport, and
// without the token. Requests of the copy go only to the client's addresses, are not
// retried if that is useless, and are not logged. Guard does not change client.
func Guard(client *api.Client) (*api.Client, error) {
	to, err := clientOrigin(client.Address())
	if err != nil {
		return nil, err
	}
	if client.SRVLookup() && !to.HasPort() {
		return nil, errors.New("the client looks up its address in SRV records, which can name any host: use an address with a port")
	}
	cfg := client.CloneConfig()
	cfg.Address, cfg.AgentAddress = client.Address(), ""
	cfg.SRVLookup = false
	cfg.CheckRetry = RetryPolicy(cfg.CheckRetry)
	cfg.Logger = nil // it would log errors of net/http, which can quote a response
	cfg.HttpClient.Transport = guardTransport(cfg.HttpClient.Transport, to)
	guarded, err := NewClient(cfg)
	if err != nil {
		return nil, err
	}
	guarded.ClearToken() // it is from the environment
	guarded.SetHeaders(client.Headers())
	return guarded, nil
}

// clientOrigin returns the origin of a client's address, which may have a path.
func clientOrigin(address string) (Origin, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return Origin{}, errors.New("the client's address is not a valid https or http URL")
	}
	return newOrigin(u), nil
}

// guardTransport returns transport if it is a Router that has the origin, or else a new
// Router that has only this origin.
func guardTransport(transport http.RoundTripper, to Origin) *Router {
	r, ok := transport.(*Router)
	switch {
	case ok && r.index(to) >= 0:
		return r
	case ok:
		transport = r.next
	}
	return &Router{next: quiet(transport), origins: []Origin{to}}
}

// variables are the environment variables that the official client reads in any case.
var variables = []string{
	api.EnvVaultAddress, api.EnvVaultAgentAddr, api.EnvVaultCACert, api.EnvVaultCACertBytes, api.EnvVaultCAPath,
	api.EnvVaultClientCert, api.EnvVaultClientKey, api.EnvVaultClientTimeout, api.EnvVaultDisableRedirects,
	api.EnvVaultHeaders, api.EnvHTTPProxy, api.EnvVaultMaxRetries, api.EnvVaultNamespace, api.EnvVaultProxyAddr,
	api.EnvRateLimit, api.EnvVaultSkipVerify, api.EnvVaultSRVLookup, api.EnvVaultTLSServerName, api.EnvVaultToken,
}

// NewClient is api.NewClient with errors that do not quote an environment variable. The
// client does not ask Vault to wrap responses, whatever VAULT_WRAP_TTL says, because a
// wrapped response has no secret.
func NewClient(cfg *api.Config) (*api.Client, error) {
	client, err := api.NewClient(cfg)
	if err != nil {
		set := slices.DeleteFunc(slices.Clone(variables), func(v string) bool { return os.Getenv(v) == "" })
		return nil, fmt.Errorf("the official client rejects one of these environment variables, which it reads in any case: %s", strings.Join(set, ", "))
	}
	client.SetWrappingLookupFunc(func(_, path string) string {
		if path == "sys/wrapping/wrap" {
			return api.DefaultWrappingTTL
		}
		return ""
	})
	return client, nil
}

// A CheckRetry is the type of api.Config.CheckRetry.
type CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error)

// RetryPolicy returns next without the retries that cannot succeed and those that would
// exceed the caller's deadline. Nil means the official client's policy.
func RetryPolicy(next CheckRetry) CheckRetry {
	if next == nil {
		next = api.DefaultRetryPolicy
	}
	return func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		if isPermanent(err) || resp != nil && exceedsDeadline(ctx, resp) {
			return false, nil
		}
		return next(ctx, resp, err)
	}
}

// exceedsDeadline reports whether the Retry-After of resp ends after the deadline of ctx.
func exceedsDeadline(ctx context.Context, resp *http.Response) bool {
	deadline, ok := ctx.Deadline()
	after := resp.Header.Get("Retry-After")
	if !ok || after == "" {
		return false
	}
	if at, err := http.ParseTime(after); err == nil {
		return at.After(deadline)
	}
	seconds, err := strconv.ParseInt(after, 10, 32)
	return err == nil && time.Duration(seconds)*time.Second > time.Until(deadline)
}
