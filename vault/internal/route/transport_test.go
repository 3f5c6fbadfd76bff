package route

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush/internal/http1"
)

// A transport of another package, and one with settings that http1 does not have, is
// used unchanged.
func TestQuietKeepsUnsupportedTransports(t *testing.T) {
	for name, transport := range map[string]http.RoundTripper{
		//lint:ignore SA1019 net/http still uses this field
		"Dial":                  &http.Transport{Dial: net.Dial}, //nolint:staticcheck // see above
		"MaxConnsPerHost":       &http.Transport{MaxConnsPerHost: 1},
		"ResponseHeaderTimeout": &http.Transport{ResponseHeaderTimeout: time.Second},
		"DisableKeepAlives":     &http.Transport{DisableKeepAlives: true},
		"ProxyConnectHeader":    &http.Transport{ProxyConnectHeader: http.Header{}},
		"another package":       &Router{},
	} {
		assert.Same(t, transport, quiet(transport), name)
	}
	for name, transport := range map[string]http.RoundTripper{
		"zero":               &http.Transport{},
		"net/http's":         http.DefaultTransport,
		"the Vault client's": api.DefaultConfig().HttpClient.Transport,
	} {
		assert.IsType(t, &http1.Transport{}, quiet(transport), name)
	}
}
