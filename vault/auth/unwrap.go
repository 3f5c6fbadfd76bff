package auth

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/internal/call"
)

// unwrapTimeout limits an unwrap, whatever the timeout of the login is. Vault returns the
// secret ID only once, so it is kept for the next login if this login ends first.
const unwrapTimeout = 30 * time.Second

// An unwrapper exchanges each wrapping token for its secret ID once, and keeps the last
// secret ID.
type unwrapper struct {
	wrapped Credential

	lock  chan struct{} // has an element while a login uses the fields below
	token hush.Value    // the wrapping token of id
	id    hush.Value    // the zero value means that nothing was unwrapped yet
}

// secretID returns the secret ID of the current wrapping token. If there is none, it
// returns the last secret ID.
func (u *unwrapper) secretID(ctx context.Context, client *api.Client, mount string) (string, error) {
	select {
	case u.lock <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	token, _, err := u.wrapped.readToken("wrapping token of the secret ID")
	if u.id.Len() > 0 && (err != nil || token == u.token.Reveal()) {
		defer u.unlock()
		return u.id.Reveal(), nil
	}
	if err == nil {
		err = checkOrigin(ctx, client, mount, token)
	}
	if err != nil {
		u.unlock()
		return "", err
	}
	return u.unwrap(ctx, client, token)
}

func (u *unwrapper) unlock() { <-u.lock }

// unwrap unlocks u when Vault has responded, which may be after ctx has ended.
func (u *unwrapper) unwrap(ctx context.Context, client *api.Client, token string) (string, error) {
	type result struct {
		id  string
		err error
	}
	results := make(chan result, 1)
	go func() {
		defer u.unlock()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), unwrapTimeout)
		defer cancel()
		id, err := call.Recover(limited, func(ctx context.Context) (string, error) { return requestUnwrap(ctx, client, token) })
		if err == nil {
			u.token, u.id = hush.NewValue([]byte(token)), hush.NewValue([]byte(id))
		}
		results <- result{id, err}
	}()
	select {
	case r := <-results:
		return r.id, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// checkOrigin asks Vault what the wrapping token was created for, without using it up.
// Anyone who can replace the wrapping token could otherwise choose the secret ID of this
// program, and unwrap the right one unnoticed.
func checkOrigin(ctx context.Context, client *api.Client, mount, token string) error {
	found, err := call.WithToken(client, "").Logical().WriteWithContext(ctx, "sys/wrapping/lookup", map[string]any{"token": token})
	switch {
	case call.HasStatus(err, http.StatusBadRequest):
		return errUnknownWrapping()
	case err != nil:
		return err
	case found == nil:
		return call.Failf(hush.ErrUnavailable, "the response to the wrapping token's lookup is empty")
	}
	path, _ := found.Data["creation_path"].(string)
	if !createsSecretID(mount, path) {
		return failf("the wrapping token was not created for a secret ID of the auth mount %q: it may have been replaced by an attacker", mount)
	}
	return nil
}

// createsSecretID reports whether path creates a secret ID of a role of the auth mount.
func createsSecretID(mount, path string) bool {
	role, ok := strings.CutPrefix(path, "auth/"+mount+"/role/")
	if !ok {
		return false
	}
	role, endpoint, _ := strings.Cut(role, "/")
	return role != "" && (endpoint == "secret-id" || endpoint == "custom-secret-id")
}

// requestUnwrap uses up the wrapping token and returns its secret ID.
func requestUnwrap(ctx context.Context, client *api.Client, token string) (string, error) {
	secret, err := call.WithToken(client, token).Logical().WriteWithContext(ctx, "sys/wrapping/unwrap", nil)
	switch {
	case call.HasStatus(err, http.StatusBadRequest):
		return "", errUnknownWrapping()
	case err != nil:
		return "", err
	case secret != nil:
		if id, ok := secret.Data["secret_id"].(string); ok && id != "" {
			return id, nil
		}
	}
	return "", failf("the unwrapped response has no secret ID")
}

func errUnknownWrapping() error {
	return failf("Vault does not know the wrapping token of the secret ID: it expired, or another client unwrapped it")
}
