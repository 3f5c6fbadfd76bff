package vault

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"sync"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
)

// Token returns the method of a token that the program has. Login asks Vault what
// is left of its life, so that it can be renewed; that spends one use of a token with
// a number of uses. A token that may not look itself up has an unknown life, and is
// used until Vault refuses it.
//
// An empty token is ErrUnauthenticated at Login.
func Token(v hush.Value) api.AuthMethod {
	return tokenOf{credential{what: "token", value: v}}
}

type tokenOf struct{ credential }

// Login returns the token with what Vault says of its life.
func (t tokenOf) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	token, err := t.findToken()
	if err != nil {
		return nil, err
	}
	return lookUp(ctx, client, token)
}

// TokenEnv returns the method of a token in the environment variable called name,
// which is read for each login and otherwise serves as [Token] does. The variable is
// watched: another token in it is used from the next read on.
//
// A variable that is unset or empty is ErrUnauthenticated at Login.
func TokenEnv(name string) api.AuthMethod {
	return &tokenEnv{credential: credential{what: "token", env: name}}
}

type tokenEnv struct {
	credential
	last lastToken
}

// Login returns the token of the variable with what Vault says of its life.
func (t *tokenEnv) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	if t.env == "" {
		return nil, errUnable("the environment variable of the token has no name")
	}
	token, err := t.findToken()
	if err != nil {
		return nil, err
	}
	t.last.set(token)
	return lookUp(ctx, client, token)
}

// changed reports whether the variable holds a token, and another than the last.
func (t *tokenEnv) changed() bool {
	token, err := t.findToken()
	return err == nil && !t.last.is(token)
}

// A clientToken is the method of the token that the program's client has, which is
// VAULT_TOKEN's unless the program set another. If the client has none, it is the
// method of the token of "vault login".
type clientToken struct {
	client *api.Client
	last   lastToken
	user   *tokenFile // nil: not for this client
}

// Login returns the token with what Vault says of its life.
func (t *clientToken) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	token, err := t.find(ctx)
	if err != nil {
		return nil, err
	}
	return lookUp(ctx, client, token)
}

func (t *clientToken) find(ctx context.Context) (string, error) {
	text := t.client.Token()
	t.last.set(text)
	switch {
	case text != "":
		return credential{what: "client's token", value: hush.NewValue([]byte(text))}.findToken()
	case t.user == nil:
		return "", errUnable("the client has no token: set VAULT_TOKEN, or configure an auth method")
	case !t.user.exists():
		return "", errUnable("the client has no token: set VAULT_TOKEN, run vault login, or configure an auth method")
	}
	secret, err := t.user.Login(ctx, nil)
	if err != nil {
		return "", err
	}
	return secret.Auth.ClientToken, nil
}

// changed reports whether there is another token than at the last Login.
func (t *clientToken) changed() bool {
	text := t.client.Token()
	return !t.last.is(text) || text == "" && t.user != nil && t.user.changed()
}

// A lastToken is the token of the last Login.
type lastToken struct {
	mu    sync.Mutex
	value hush.Value
}

func (l *lastToken) set(token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.value = hush.NewValue([]byte(token))
}

func (l *lastToken) is(token string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.value.Reveal() == token
}

// lookUp returns token as the answer of a login, with the life that Vault says it has
// left. It asks that with the token itself.
func lookUp(ctx context.Context, client *api.Client, token string) (*api.Secret, error) {
	found, err := withToken(client, token).Auth().Token().LookupSelfWithContext(ctx)
	switch {
	case answeredWith(err, http.StatusForbidden):
		return bearer(token), nil // not allowed to, or dead: the first read will tell
	case err != nil:
		return nil, err
	case found == nil:
		return nil, unable(hush.ErrUnavailable, "Vault answered the token's look-up with nothing")
	}
	seconds, ok := found.Data["ttl"].(json.Number)
	ttl, err := seconds.Int64()
	if !ok || err != nil || ttl < 0 {
		return nil, unable(hush.ErrUnavailable, "Vault answered the token's look-up with a life that is no number of seconds")
	}
	secret := bearer(token)
	secret.Auth.LeaseDuration = int(min(ttl, math.MaxInt32))
	secret.Auth.Renewable, _ = found.Data["renewable"].(bool)
	return secret, nil
}

// bearer returns token as the answer of a login that says nothing of its life.
func bearer(token string) *api.Secret {
	return &api.Secret{Auth: &api.SecretAuth{ClientToken: token}}
}
