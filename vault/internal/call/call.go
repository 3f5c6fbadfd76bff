// Package call has what the packages of Vault share to make calls: errors that have a
// class, and login requests.
package call

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/internal/route"
)

// Source is the name of the provider in errors and secrets.
const Source = "vault"

// Fail returns an error with that class and cause. It has no Ref: the provider adds it.
func Fail(class hush.Class, cause error) *hush.Error {
	return hush.NewError(Source, hush.Ref{}, class, cause)
}

// Failf is Fail with the cause fmt.Errorf(format, args...).
func Failf(class hush.Class, format string, args ...any) *hush.Error {
	return Fail(class, fmt.Errorf(format, args...))
}

// HasStatus reports whether err is a response of Vault with that status.
func HasStatus(err error, status int) bool {
	response, ok := errors.AsType[*api.ResponseError](err)
	return ok && response.StatusCode == status
}

// Recover returns the result of fn. It turns a panic of a login method or of the
// program's HTTP client into an error: fn runs in a goroutine of this module, where no
// caller can recover, so that the panic would end the process. The error has only the
// type of the panic's value, because its text may contain a credential.
func Recover[T any](ctx context.Context, fn func(context.Context) (T, error)) (result T, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = Failf(hush.ErrUnavailable, "the login method or the HTTP client panicked with a value of type %T", v)
		}
	}()
	return fn(ctx)
}

// WithToken returns client so that it sends token, or no token if that is empty. It
// does not ask Vault to wrap responses, whatever VAULT_WRAP_TTL says.
func WithToken(client *api.Client, token string) *api.Client {
	return client.WithRequestCallbacks(func(r *api.Request) { r.ClientToken, r.WrapTTL = token, "" })
}

// Login logs in at the auth mount. It sends no token, because a login needs none and
// the client's token may be an old one.
func Login(ctx context.Context, client *api.Client, mount string, body map[string]any) (*api.Secret, error) {
	secret, err := WithToken(client, "").Logical().WriteWithContext(ctx, "auth/"+mount+"/login", body)
	switch {
	case err != nil:
		return nil, err
	case secret != nil && secret.Auth != nil && secret.Auth.MFARequirement != nil:
		return nil, Failf(hush.ErrUnauthenticated, "Vault requires a second factor (MFA) for this login, which a program does not have: exempt its role or its entity")
	case secret == nil || secret.Auth == nil || secret.Auth.ClientToken == "":
		return nil, Failf(hush.ErrUnavailable, "the response to the login has no token")
	}
	return secret, nil
}

// AuthMount returns mount without the slashes around it. Empty means fallback. The
// error has no class and does not quote the mount.
func AuthMount(mount, fallback string) (string, error) {
	if mount == "" {
		return fallback, nil
	}
	mount = strings.Trim(mount, "/")
	if err := route.CheckPath(mount); err != nil {
		return "", fmt.Errorf("invalid auth mount: %w", err)
	}
	if strings.HasPrefix(mount, "auth/") {
		return "", errors.New("invalid auth mount: remove auth/, which hush adds")
	}
	return mount, nil
}
