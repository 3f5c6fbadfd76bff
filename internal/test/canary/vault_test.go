package canary

import (
	"fmt"
	"log"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

// vaultFailures returns failures of Vault that contain hidden texts.
func vaultFailures() map[string]vaulttest.Failure {
	all := map[string]vaulttest.Failure{"dropped": {Drop: true}}
	for _, status := range []int{400, 403, 404, 412, 429, 500, 503} {
		all[fmt.Sprint(status)] = vaulttest.Failure{Status: status, Errors: []string{message, value}}
		all[fmt.Sprint(status, " as text")] = vaulttest.Failure{Status: status, Body: []byte(message + value)}
	}
	for _, body := range []string{
		message + value, `{"data":{"` + value, `{"data":"` + value + `"}`, `{"data":{"data":"` + value + `","metadata":{"version":1}}}`,
		`{"data":{"data":{"a":1},"metadata":{"version":"` + value + `"}}}`, `{"data":{"ttl":"` + value + `"}}`, `{"data":{"type":"` + message + `"}}`,
		`{"auth":{"client_token":1,"x":"` + value + `"}}`, `{"auth":null,"warnings":["` + message + `"]}`, `{"wrap_info":{"token":"` + value + `"}}`,
		`{"data":{"creation_path":"` + message + `"}}`, `{"data":{"type":"kv","path":"` + message + `"}}`, `{"data":{"secret_id":["` + value + `"]}}`, `[` + value,
	} {
		all["200 "+body] = vaulttest.Failure{Status: http.StatusOK, Body: []byte(body)}
	}
	for _, status := range []int{301, 307} {
		for name, to := range map[string]string{"host": "http://127.0.0.1:1/" + message, "path": "/" + message, "user": "http://" + message + ":" + value + "@127.0.0.1:1/", "none": ""} {
			all[fmt.Sprint(status, name)] = vaulttest.Failure{Status: status, Header: http.Header{"Location": {to}, "X-Canary": {message}}, Body: []byte(value)}
		}
	}
	all["invalid Retry-After"] = vaulttest.Failure{Status: 429, Header: http.Header{"Retry-After": {message}}}
	return all
}

// A tokenRecorder is a transport that records every token that was sent.
type tokenRecorder struct {
	http.Transport
	mu     sync.Mutex
	tokens []string
}

func (e *tokenRecorder) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	if token := r.Header.Get("X-Vault-Token"); token != "" {
		e.tokens = append(e.tokens, token)
	}
	e.mu.Unlock()
	return e.Transport.RoundTrip(r)
}

func (e *tokenRecorder) sentTokens() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tokens
}

// A vaultProgram reads from a Vault in every way. It has not logged in yet.
type vaultProgram struct {
	*program
	reader *vault.Reader
}

func startVaultProgram(t *testing.T, server *vaulttest.Server) *vaultProgram {
	t.Helper()
	recorder := &tokenRecorder{}
	t.Cleanup(recorder.CloseIdleConnections)
	client, err := api.NewClient(&api.Config{Address: server.URL(), HttpClient: &http.Client{Transport: recorder}})
	require.NoError(t, err)
	client.SetToken(server.Token(nil))
	roleID, secretID := server.AppRole("approle", "app", nil)
	wrapping := server.WrapSecretID("approle", "app", 0, 0)
	approle := func(secret string, wrapped bool) api.AuthMethod {
		return auth.AppRole(roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(secret))), Wrapped: wrapped})
	}
	jwt := auth.JWT("app", &auth.JWTOptions{JWT: auth.Value(hush.NewValue([]byte(token)))})
	reader := vault.NewReader(client, &vault.ReaderOptions{Mounts: []string{"db"}, Auth: approle(secretID, false), RevokeOnClose: true})
	p := startChain(t, []chain.Link{
		{Name: "leases", Provider: reader},
		{Name: "unwrapping", Provider: vault.New(client, &vault.Options{Auth: approle(wrapping, true)})},
		{Name: "jwt", Provider: vault.New(client, &vault.Options{KV: 2, Auth: jwt})},
		{Name: "token", Provider: vault.New(client, nil)},
	}, func() []string {
		return slices.Concat(hidden, recorder.sentTokens(), []string{secretID, wrapping, client.Token()})
	})
	return &vaultProgram{p, reader}
}

// TestNoSecretInAnyErrorOrLogOfVault makes each op of call fail in each way.
func TestNoSecretInAnyErrorOrLogOfVault(t *testing.T) {
	defer log.SetOutput(log.Writer())
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	defer server.Close()
	server.JWT("jwt", "app", nil, token)
	server.Mount("db", vaulttest.Database)
	server.LeaseRole("db", "app", &vaulttest.LeaseOptions{Data: func(int) map[string]any { return map[string]any{"password": value} }})
	server.Put("secret", "db", map[string]any{"password": value})
	lease := hush.Name("db/creds/app")
	for _, op := range []vaulttest.Operation{
		vaulttest.Read, vaulttest.Preflight, vaulttest.Login, vaulttest.Lookup, vaulttest.LookupWrap, vaulttest.Unwrap, vaulttest.RevokeLease,
	} {
		before := server.Calls(vaulttest.Call{Operation: op})
		for name, failure := range vaultFailures() {
			p := startVaultProgram(t, server)
			_, err := p.reader.Get(t.Context(), lease) // a lease to revoke
			require.NoError(t, err)
			failure.Operation = op
			restore := server.Fail(failure)
			p.assertNoLeaks(t, string(op)+" "+name)
			_, err = p.reader.Get(t.Context(), lease.Fresh())
			p.assertClean(t, err, "%s %s: fresh", op, name)
			p.assertClean(t, p.reader.Close(), "%s %s: close", op, name)
			restore()
		}
		assert.Greater(t, server.Calls(vaulttest.Call{Operation: op}), before+len(vaultFailures())-1, "each failure applies to a request of operation %q", op)
	}
}
