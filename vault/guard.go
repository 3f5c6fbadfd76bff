package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/hashicorp/vault/api"
)

// guard returns a copy of client for our own use, with its headers, its namespace
// and its way to connect, and without its token. A request of the copy goes nowhere
// but to the client's addresses, is not tried again where that changes nothing, and
// is not logged. The client itself is not changed.
func guard(client *api.Client) (*api.Client, error) {
	at, err := parseOrigin(client.Address())
	if err != nil {
		return nil, fmt.Errorf("the client's address: %w", err)
	}
	if client.SRVLookup() && at.port == "" {
		return nil, errors.New("the client looks its address up in SRV records, which may lead anywhere: give the address with its port")
	}
	cfg := client.CloneConfig()
	cfg.Address, cfg.AgentAddress = client.Address(), ""
	cfg.SRVLookup = false
	cfg.CheckRetry = worthwhile(cfg.CheckRetry)
	cfg.Logger = nil // it would log what net/http says of answers, which it quotes
	cfg.HttpClient.Transport = routed(cfg.HttpClient.Transport, at)
	guarded, err := newAPIClient(cfg)
	if err != nil {
		return nil, err
	}
	guarded.ClearToken() // of the environment
	guarded.SetHeaders(client.Headers())
	guarded.SetWrappingLookupFunc(wrapNothing)
	return guarded, nil
}

// routed returns transport if it is a router that knows the address, else a new
// router that knows no other.
func routed(transport http.RoundTripper, at origin) *router {
	r, ok := transport.(*router)
	switch {
	case ok && r.index(at) >= 0:
		return r
	case ok:
		transport = r.next
	}
	return &router{next: wireOf(transport), addresses: []origin{at}}
}

// wrapNothing replaces what obeys VAULT_WRAP_TTL: a wrapped answer holds no secret.
func wrapNothing(_, path string) string {
	if path == "sys/wrapping/wrap" {
		return api.DefaultWrappingTTL
	}
	return ""
}

// A checkRetry is the retryable client's, which is not ours to import.
type checkRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error)

// worthwhile is next, or the client's own policy, without the retries that cannot
// succeed and those that the caller would not see.
func worthwhile(next checkRetry) checkRetry {
	if next == nil {
		next = api.DefaultRetryPolicy
	}
	return func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		if err != nil && isLasting(err) || resp != nil && outlasts(ctx, resp) {
			return false, nil
		}
		return next(ctx, resp, err)
	}
}

// impatient is the client's own policy, without waiting where an answer says how long
// to.
func impatient(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if resp != nil && resp.Header.Get("Retry-After") != "" {
		return false, nil
	}
	return api.DefaultRetryPolicy(ctx, resp, err)
}

// isLasting reports whether the same request would fail in the same way. Of bad
// certificates the client's policy knows that by itself.
func isLasting(err error) bool {
	return errors.Is(err, errRedirect) || errors.Is(err, errTooLarge)
}

// outlasts reports whether resp asks to wait for longer than ctx lasts.
func outlasts(ctx context.Context, resp *http.Response) bool {
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
