package vault_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
)

var quiet = log.New(io.Discard, "", 0)

// request reads a secret, or sends a login, and returns the error.
func request(t *testing.T, client *api.Client, method string) error {
	t.Helper()
	var err error
	if method == http.MethodGet {
		_, err = client.Logical().ReadWithContext(t.Context(), "secret/app")
	} else {
		_, err = client.Logical().WriteWithContext(t.Context(), "auth/approle/login", map[string]any{"role_id": "r"})
	}
	return err
}

// both are the methods of a read, and of a login with a body that may be sent again.
var both = []string{http.MethodGet, http.MethodPut}

func TestUnreachableAddressIsSkipped(t *testing.T) {
	for _, method := range both {
		live := newNode(t, serves)
		client := connect(t, unusedAddress(t), unusedAddress(t), live.URL)
		require.NoError(t, request(t, client, method), method)
		require.Len(t, live.requests(), 1, "one request, without a retry of the client")
		got := live.requests()[0]
		assert.Equal(t, method, got.method)
		assert.Equal(t, live.host(), got.host)
		assert.Equal(t, nodeToken, got.token)
		if method == http.MethodPut {
			assert.JSONEq(t, `{"role_id":"r"}`, got.body)
		}
	}
}

func TestSealedNodeIsSkipped(t *testing.T) {
	for _, status := range []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout} {
		for _, method := range both {
			sealed, live := newNode(t, respondsWith(status)), newNode(t, serves)
			client := connect(t, sealed.URL, live.URL)
			client.SetMaxRetries(0)
			for range 3 {
				require.NoError(t, request(t, client, method))
			}
			assert.Len(t, sealed.requests(), 1, "the node that served is used first")
			assert.Len(t, live.requests(), 3)
			assert.Equal(t, sealed.requests()[0].body, live.requests()[0].body)
		}
	}
}

// The order of the addresses does not matter.
func TestResponseTakesPrecedenceOverAFailedConnection(t *testing.T) {
	for _, order := range []int{0, 1} {
		sealed := newNode(t, respondsWith(http.StatusServiceUnavailable))
		addresses := []string{sealed.URL, unusedAddress(t)}
		if order == 1 {
			addresses[0], addresses[1] = addresses[1], addresses[0]
		}
		err := request(t, connect(t, addresses...), http.MethodGet)
		var answer *api.ResponseError
		require.ErrorAs(t, err, &answer)
		assert.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
		assert.Len(t, sealed.requests(), 2, "one request and one retry of the client")
	}
	assert.Error(t, request(t, connect(t, unusedAddress(t), unusedAddress(t)), http.MethodGet))
}

func TestOtherErrorsAreNotRetriedAtAnotherAddress(t *testing.T) {
	for _, status := range []int{400, 403, 404, 429, 500} {
		first, second := newNode(t, respondsWith(status)), newNode(t, serves)
		_ = request(t, connect(t, first.URL, second.URL), http.MethodGet)
		assert.NotEmpty(t, first.requests())
		assert.Empty(t, second.requests(), "status %d", status)
	}
}

// The node may have processed the request, so the router does not send it to another
// address.
func TestNextRequestUsesAnotherAddressAfterABrokenResponse(t *testing.T) {
	breaks := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	first, second := newNode(t, breaks), newNode(t, serves)
	client := connect(t, first.URL, second.URL)
	client.SetMaxRetries(0)
	require.Error(t, request(t, client, http.MethodPut))
	assert.Empty(t, second.requests())
	require.NoError(t, request(t, client, http.MethodPut))
	assert.Len(t, first.requests(), 1)
}

func TestNodeThatHangsIsAvoidedAfterATimeout(t *testing.T) {
	released := make(chan struct{})
	hangs := newNode(t, func(http.ResponseWriter, *http.Request) { <-released })
	t.Cleanup(func() { close(released) })
	live := newNode(t, serves)
	client := connect(t, hangs.URL, live.URL)

	canceled, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := client.Logical().ReadWithContext(canceled, "secret/app")
	require.Error(t, err)
	assert.Empty(t, live.requests())

	limited, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = client.Logical().ReadWithContext(limited, "secret/app")
	require.Error(t, err)
	assert.Len(t, hangs.requests(), 2, "a canceled call is not a failure of the node")
	require.NoError(t, request(t, client, http.MethodGet))
	assert.Len(t, live.requests(), 1)
}

// The node drops the second request of a kept connection and accepts no other
// connection. Nothing was sent on a new one, so the request may go to another address.
func TestNodeThatGoesDownIsSkipped(t *testing.T) {
	var down *node
	down = newNode(t, func(w http.ResponseWriter, r *http.Request) {
		if len(down.requests()) > 1 {
			_ = down.Listener.Close()
			panic(http.ErrAbortHandler)
		}
		serves(w, r)
	})
	live := newNode(t, serves)
	client := connect(t, down.URL, live.URL)
	client.SetMaxRetries(0)
	for range 3 {
		require.NoError(t, request(t, client, http.MethodPut))
	}
	assert.Len(t, down.requests(), 2)
	assert.Len(t, live.requests(), 2)
}

func TestResponseSizeIsLimited(t *testing.T) {
	for _, size := range []int{4 << 20, 4<<20 + 1} {
		n := newNode(t, func(w http.ResponseWriter, _ *http.Request) {
			const frame = `{"data":{"x":""}}`
			_, _ = fmt.Fprintf(w, `{"data":{"x":"%s"}}`, strings.Repeat("x", size-len(frame)))
		})
		err := request(t, connect(t, n.URL), http.MethodGet)
		assert.Equal(t, size > 4<<20, err != nil, "%d bytes: %v", size, err)
		assert.Len(t, n.requests(), 1, "a retry would be as large")
	}
}

// The server closes its connections after the first response, as they are after a
// freeze. Only the transport retries.
func TestDeadConnectionIsReplaced(t *testing.T) {
	for _, method := range both {
		seen := map[string]int{}
		n := &node{}
		n.Server = httptest.NewUnstartedServer(n.record(func(w http.ResponseWriter, r *http.Request) {
			n.mu.Lock()
			seen[r.RemoteAddr]++
			dead := seen[r.RemoteAddr] > 1
			n.mu.Unlock()
			if dead {
				panic(http.ErrAbortHandler)
			}
			serves(w, r)
		}))
		n.Start()
		t.Cleanup(n.Close)
		client := connect(t, n.URL)
		client.SetMaxRetries(0)
		for range 3 {
			require.NoError(t, request(t, client, method), method)
		}
		assert.Len(t, n.requests(), 5, "two of them on dead connections")
		if method == http.MethodPut {
			assert.JSONEq(t, `{"role_id":"r"}`, n.requests()[4].body)
		}
	}
}

func TestRetriesOfNewClient(t *testing.T) {
	for _, c := range []struct {
		status     int
		retryAfter string
		want       int
	}{
		{500, "", 2},
		{503, "", 2},
		{412, "", 2},
		{429, "", 2},
		{429, "1", 1},
		{503, "3600", 1},
		{400, "", 1},
		{403, "", 1},
	} {
		n := newNode(t, func(w http.ResponseWriter, _ *http.Request) {
			if c.retryAfter != "" {
				w.Header().Set("Retry-After", c.retryAfter)
			}
			w.WriteHeader(c.status)
		})
		require.Error(t, request(t, connect(t, n.URL), http.MethodPut))
		assert.Len(t, n.requests(), c.want, "%+v", c)
	}
}

func TestSetAddressReplacesTheRoute(t *testing.T) {
	first, second := newNode(t, serves), newNode(t, serves)
	client := connect(t, first.URL)
	require.NoError(t, client.SetAddress(second.URL))
	require.Error(t, request(t, client, http.MethodGet), "the Router keeps its addresses")
	_, err := vault.New(client, &vault.Options{KV: 1}).Get(t.Context(), hush.Name("app"))
	require.NoError(t, err, "a Provider uses the current address of its client")
	assert.Empty(t, first.requests())
	assert.NotEmpty(t, second.requests())
}
