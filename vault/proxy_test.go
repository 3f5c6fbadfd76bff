package vault_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
)

const proxyCanary = "canary-of-the-proxy"

// A tunneler is a proxy that connects each tunnel to one address and records the
// requested one.
type tunneler struct {
	target string
	status int // of CONNECT

	mu    sync.Mutex
	names []string
}

func (p *tunneler) note(names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names = append(p.names, names...)
}

func (p *tunneler) noted() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.names
}

// ServeHTTP serves CONNECT.
func (p *tunneler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.note(r.Method+" "+r.Host, r.Header.Get("Proxy-Authorization"))
	if r.Method != http.MethodConnect || p.status != http.StatusOK {
		http.Error(w, proxyCanary, p.status)
		return
	}
	w.WriteHeader(http.StatusOK)
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	p.join(conn, rw.Reader)
}

// serveSOCKS serves SOCKS 5, with a user and a password if the client offers them.
func (p *tunneler) serveSOCKS(conn net.Conn) {
	r := bufio.NewReader(conn)
	read := func(n int) []byte {
		b := make([]byte, n)
		_, _ = io.ReadFull(r, b)
		return b
	}
	methods := read(int(read(2)[1]))
	method := methods[len(methods)-1]
	_, _ = conn.Write([]byte{5, method})
	if method == 2 {
		user := string(read(int(read(2)[1])))
		password := string(read(int(read(1)[0])))
		p.note(user + ":" + password)
		_, _ = conn.Write([]byte{1, 0})
	}
	name := string(read(int(read(5)[4])))
	read(2) // the port
	p.note(name)
	_, _ = conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	p.join(conn, r)
}

// join copies between a client and the target until one of them closes.
func (p *tunneler) join(client net.Conn, from io.Reader) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	var copying sync.WaitGroup
	copying.Go(func() {
		_, _ = io.Copy(server, from)
		_ = server.Close()
	})
	_, _ = io.Copy(client, server)
	_ = client.Close()
	copying.Wait()
}

func startSOCKS(t *testing.T, p *tunneler) *url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serveSOCKS(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return &url.URL{Scheme: "socks5", Host: l.Addr().String()}
}

func startProxy(t *testing.T, p *tunneler, start func(http.Handler) *httptest.Server) *url.URL {
	t.Helper()
	s := start(p)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	return u
}

// through returns a Provider whose client reaches address through a proxy.
func through(t *testing.T, address string, proxy *url.URL, trusts *node) (p *vault.Provider, closeIdle func()) {
	t.Helper()
	transport := &http.Transport{Proxy: http.ProxyURL(proxy)}
	transport.TLSClientConfig = trusts.Client().Transport.(*http.Transport).TLSClientConfig
	client, err := api.NewClient(&api.Config{Address: address, HttpClient: &http.Client{Transport: transport}})
	require.NoError(t, err)
	client.SetToken(nodeToken)
	client.SetMaxRetries(0)
	p = vault.New(client, &vault.Options{KV: 1})
	return p, vault.IdleCloser(p)
}

func TestProxyTunnels(t *testing.T) {
	clearVaultVariables(t)
	n := newTLSNode(t, serves)
	for name, c := range map[string]struct {
		user  *url.Userinfo
		start func(*testing.T, *tunneler) *url.URL
		want  []string
	}{
		"http":  {nil, onHTTP, []string{"CONNECT example.com:8200", ""}},
		"https": {nil, onHTTPS, []string{"CONNECT example.com:8200", ""}},
		"http with a user": {
			url.UserPassword("user", "pass"), onHTTP,
			[]string{"CONNECT example.com:8200", "Basic dXNlcjpwYXNz"},
		},
		"socks5":             {nil, startSOCKS, []string{"example.com"}},
		"socks5 with a user": {url.UserPassword("user", "pass"), startSOCKS, []string{"user:pass", "example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			relay := &tunneler{target: n.host(), status: http.StatusOK}
			proxy := c.start(t, relay)
			proxy.User = c.user
			p, closeIdle := through(t, "https://example.com:8200", proxy, n)
			defer closeIdle()
			for range 2 {
				_, err := p.Get(t.Context(), hush.Name("app"))
				require.NoError(t, err)
			}
			assert.Equal(t, c.want, relay.noted(), "one tunnel for all requests")
		})
	}
}

func onHTTP(t *testing.T, p *tunneler) *url.URL {
	t.Helper()
	return startProxy(t, p, httptest.NewServer)
}

func onHTTPS(t *testing.T, p *tunneler) *url.URL {
	t.Helper()
	return startProxy(t, p, httptest.NewTLSServer)
}

func TestRefusalOfAProxyQuotesOnlyTheStatus(t *testing.T) {
	clearVaultVariables(t)
	n := newTLSNode(t, serves)
	proxy := onHTTP(t, &tunneler{status: http.StatusProxyAuthRequired})
	proxy.User = url.UserPassword("user", proxyCanary)
	p, closeIdle := through(t, "https://example.com:8200", proxy, n)
	defer closeIdle()
	_, err := p.Get(t.Context(), hush.Name("app"))
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
	assert.ErrorContains(t, err, "the proxy does not connect to Vault (status 407)")
	assert.Empty(t, providertest.Leaks(err, proxyCanary))
}

// A proxy needs no tunnel for plain HTTP.
func TestProxyForwardsPlainHTTP(t *testing.T) {
	clearVaultVariables(t)
	var header http.Header
	n := newTLSNode(t, serves)
	forwarder := newNode(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		serves(w, r)
	})
	proxy, err := url.Parse(forwarder.URL)
	require.NoError(t, err)
	proxy.User = url.UserPassword("user", "pass")
	p, closeIdle := through(t, "http://vault.invalid", proxy, n)
	defer closeIdle()
	_, err = p.Get(t.Context(), hush.Name("app"))
	require.NoError(t, err)
	requests := forwarder.requests()
	assert.Equal(t, "vault.invalid", requests[len(requests)-1].host)
	assert.Equal(t, "Basic dXNlcjpwYXNz", header.Get("Proxy-Authorization"))
}
