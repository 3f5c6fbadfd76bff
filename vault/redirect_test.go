package vault_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
)

func TestRedirectOfAStandbyIsFollowed(t *testing.T) {
	for _, method := range both {
		active := newNode(t, serves)
		standby := newNode(t, redirects(func() string { return active.URL }))
		client := connect(t, standby.URL, active.URL)
		for range 3 {
			require.NoError(t, request(t, client, method))
		}
		assert.Len(t, standby.requests(), 1, "the active node is used first afterwards")
		require.Len(t, active.requests(), 3)
		for _, got := range active.requests() {
			assert.Equal(t, active.host(), got.host)
			assert.Equal(t, nodeToken, got.token)
			assert.Equal(t, standby.requests()[0].body, got.body, "the body is sent again")
		}
	}
}

// A standby redirects to the path without its escapes, which would be another secret.
func TestRedirectKeepsTheEscapedPath(t *testing.T) {
	active := newNode(t, serves)
	standby := newNode(t, redirects(func() string { return active.URL }))
	client := connect(t, standby.URL, active.URL)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, standby.URL+"/v1/secret/data/a%2Fb?version=2", nil)
	require.NoError(t, err)
	response, err := client.CloneConfig().HttpClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	require.Len(t, active.requests(), 1)
	assert.Equal(t, "/v1/secret/data/a%2Fb", active.requests()[0].path)
}

// The official client follows any redirect, with the token.
func TestRedirectToAnotherHostIsNotFollowed(t *testing.T) {
	stranger := newNode(t, serves)
	insecure := strings.NewReplacer("https://", "http://")
	for name, location := range map[string]func(own string, r *http.Request) string{
		"another host":     func(_ string, r *http.Request) string { return stranger.URL + r.URL.Path },
		"by its name":      func(_ string, r *http.Request) string { return "http://" + port(stranger, "localhost") + r.URL.Path },
		"with user info":   func(_ string, r *http.Request) string { return "http://u:p@" + stranger.host() + r.URL.Path },
		"without a scheme": func(_ string, r *http.Request) string { return "//" + stranger.host() + r.URL.Path },
		"http":             func(own string, r *http.Request) string { return insecure.Replace(own) + r.URL.Path },
		"another path":     func(own string, _ *http.Request) string { return own + "/v1/sys/raw/x" },
		"nowhere":          func(string, *http.Request) string { return "" },
		"no URL":           func(string, *http.Request) string { return "http://[" },
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range both {
				for _, status := range []int{301, 302, 303, 307, 308} {
					var own string
					n := newTLSNode(t, func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("Location", location(own, r))
						w.WriteHeader(status)
					})
					own = n.URL
					clearVaultVariables(t)
					client := newClient(t, &vault.ClientOptions{Addresses: []string{n.URL}, CAPEM: certificate(n), Token: hush.NewValue([]byte(nodeToken))})
					err := request(t, client, method)
					require.Error(t, err, "%s, %d", name, status)
					assert.NotContains(t, err.Error(), nodeToken)
					assert.Len(t, n.requests(), 1, "%s, %d: nothing to try again", name, status)
				}
			}
		})
	}
	assert.Empty(t, stranger.requests())
}

func port(n *node, host string) string {
	_, number, _ := strings.Cut(n.host(), ":")
	return host + ":" + number
}

func TestRedirectLoopEnds(t *testing.T) {
	var a, b *node
	a = newNode(t, redirects(func() string { return b.URL }))
	b = newNode(t, redirects(func() string { return a.URL }))
	require.Error(t, request(t, connect(t, a.URL, b.URL), http.MethodPut))
	assert.LessOrEqual(t, len(a.requests())+len(b.requests()), 4)

	var self *node
	self = newNode(t, redirects(func() string { return self.URL }))
	require.Error(t, request(t, connect(t, self.URL), http.MethodGet))
	assert.Len(t, self.requests(), 3)
}

// A load balancer may lead to a standby first and to the active node next.
func TestRedirectToTheSameAddressIsFollowed(t *testing.T) {
	var self *node
	var asked atomic.Int32
	self = newNode(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			redirects(func() string { return self.URL })(w, r)
			return
		}
		serves(w, r)
	})
	require.NoError(t, request(t, connect(t, self.URL), http.MethodGet))
}

// The request may go to the other configured addresses.
func TestRedirectToAnUnknownNodeTriesTheOtherAddresses(t *testing.T) {
	stranger, live := newNode(t, serves), newNode(t, serves)
	standby := newNode(t, redirects(func() string { return stranger.URL }))
	require.NoError(t, request(t, connect(t, standby.URL, live.URL), http.MethodPut))
	assert.Len(t, live.requests(), 1)
	assert.Empty(t, stranger.requests())

	p := vault.New(connect(t, standby.URL, unusedAddress(t)), &vault.Options{KV: 1, Auth: auth.Token(auth.Value(hush.NewValue([]byte(nodeToken))))})
	_, err := p.Get(t.Context(), hush.Name("app"))
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
	assert.Empty(t, stranger.requests())
	assert.Empty(t, providertest.Leaks(err, nodeToken))
}

func TestRedirectToAFailedAddressIsNotFollowed(t *testing.T) {
	sealed := newNode(t, respondsWith(http.StatusServiceUnavailable))
	standby := newNode(t, redirects(func() string { return sealed.URL }))
	live := newNode(t, serves)
	client := connect(t, sealed.URL, standby.URL, live.URL)
	client.SetMaxRetries(0)
	require.NoError(t, request(t, client, http.MethodPut))
	assert.Len(t, sealed.requests(), 1)
	assert.Len(t, standby.requests(), 1)
}
