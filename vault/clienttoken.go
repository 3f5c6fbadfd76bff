package vault

import (
	"context"
	"os"
	"path/filepath"
	"sync"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/hush-secrets/hush/vault/internal/call"
	"github.com/hush-secrets/hush/vault/internal/route"
)

// A TokenWatcher is an api.AuthMethod that can learn that its credential was replaced
// while the token from the last Login is still valid. The methods of package vault/auth
// that read a token from a file or an environment variable implement it.
//
// It is optional. If the method of Options.Auth or ReaderOptions.Auth implements it, each
// read calls TokenChanged first, and logs in again if that is true.
type TokenWatcher interface {
	api.AuthMethod

	// TokenChanged reports whether Login would now return another token than at its last
	// call. It must be fast, must not contact Vault, and must be safe for concurrent use.
	TokenChanged() bool
}

func tokenChanged(method api.AuthMethod) bool {
	watcher, ok := method.(TokenWatcher)
	return ok && watcher.TokenChanged()
}

// A clientToken is the login method of the token that the program's client has, which is
// that of VAULT_TOKEN unless the program set another. If the client has no token, it is
// the method of the token that "vault login" stored.
type clientToken struct {
	client *api.Client
	path   string         // of the token of "vault login"; empty if client must not use it
	stored api.AuthMethod // for the token in that file

	mu   sync.Mutex
	last hush.Value // the client's token at the last Login
}

// newClientToken returns the method of client's token. The file ~/.vault-token belongs to
// the address of VAULT_ADDR or VAULT_AGENT_ADDR, as for the vault command: a configuration
// file that names another host must not receive its token.
func newClientToken(client *api.Client) *clientToken {
	t := &clientToken{client: client}
	home, err := os.UserHomeDir()
	if err == nil && route.FromEnvironment(client) {
		t.path = filepath.Join(home, ".vault-token")
		t.stored = auth.Token(auth.File(t.path))
	}
	return t
}

// Login returns the token with its TTL.
func (t *clientToken) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	token, err := t.find(ctx)
	if err != nil {
		return nil, err
	}
	return auth.Token(auth.Value(token)).Login(ctx, client)
}

func (t *clientToken) find(ctx context.Context) (hush.Value, error) {
	token := hush.NewValue([]byte(t.client.Token()))
	t.mu.Lock()
	t.last = token
	t.mu.Unlock()
	switch {
	case token.Len() > 0:
		return token, nil
	case t.path == "":
		return hush.Value{}, call.Failf(hush.ErrUnauthenticated, "the client has no token: set VAULT_TOKEN, or configure an auth method")
	}
	if _, err := os.Stat(t.path); err != nil {
		return hush.Value{}, call.Failf(hush.ErrUnauthenticated, "the client has no token: set VAULT_TOKEN, run vault login, or configure an auth method")
	}
	secret, err := t.stored.Login(ctx, nil)
	if err != nil {
		return hush.Value{}, err
	}
	return hush.NewValue([]byte(secret.Auth.ClientToken)), nil
}

// TokenChanged implements TokenWatcher.
func (t *clientToken) TokenChanged() bool {
	token := t.client.Token()
	t.mu.Lock()
	changed := token != t.last.Reveal()
	t.mu.Unlock()
	return changed || token == "" && t.path != "" && tokenChanged(t.stored)
}
