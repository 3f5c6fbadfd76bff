package agent_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/providertest"
)

// A response has a Content-Length and is not chunked, whether the agent or net/http adds
// the header.
func TestEveryResponseHasContentLength(t *testing.T) {
	var m providertest.Map
	server := httptest.NewServer(agent.Handler(&m, token, nil))
	defer server.Close()
	for size := range 5 << 10 {
		if size%100 != 0 {
			continue
		}
		m.Put("db", bytes.Repeat([]byte("x"), size))
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/db", http.NoBody)
		require.NoError(t, err)
		request.Header.Set("X-Vault-Token", token)
		response, err := server.Client().Do(request)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Greater(t, len(body), size)
		assert.EqualValues(t, len(body), response.ContentLength)
		assert.Empty(t, response.TransferEncoding)
		assert.NotContains(t, response.Header, "Content-Type")
	}
}
