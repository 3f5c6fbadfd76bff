package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
)

// unable is what a method answers where it cannot log in by a fault of its own:
// nothing was asked, or what Vault answered has a meaning that its status hides.
func unable(class hush.Class, format string, args ...any) error {
	return hush.NewError(name, hush.Ref{}, class, fmt.Errorf(format, args...))
}

// errUnable is unable for the usual class: a credential that is missing or cannot
// serve.
func errUnable(format string, args ...any) error {
	return unable(hush.ErrUnauthenticated, format, args...)
}

// withToken returns client to send token, or none, whatever client has. Its answers
// are not wrapped: VAULT_WRAP_TTL would make the client ask for that.
func withToken(client *api.Client, token string) *api.Client {
	return client.WithRequestCallbacks(func(r *api.Request) { r.ClientToken, r.WrapTTL = token, "" })
}

// loginAt logs in at the auth mount. It sends no token: a login needs none, and the
// client's may be an old one.
func loginAt(ctx context.Context, client *api.Client, mount string, body map[string]any) (*api.Secret, error) {
	secret, err := withToken(client, "").Logical().WriteWithContext(ctx, "auth/"+mount+"/login", body)
	switch {
	case err != nil:
		return nil, err
	case secret != nil && secret.Auth != nil && secret.Auth.MFARequirement != nil:
		return nil, errUnable("Vault wants a second factor (MFA) for this login, which a program does not have: exempt its role or its entity")
	case secret == nil || secret.Auth == nil || secret.Auth.ClientToken == "":
		return nil, unable(hush.ErrUnavailable, "Vault answered the login without a token")
	}
	return secret, nil
}

// authMount returns the mount that was given, or fallback for none, without the
// slashes around it.
func authMount(given, fallback string) (string, error) {
	if given == "" {
		return fallback, nil
	}
	mount := strings.Trim(given, "/")
	if err := checkPath(mount); err != nil {
		return "", errUnable("the auth mount: %w", err)
	}
	if strings.HasPrefix(mount, "auth/") {
		return "", errUnable("the auth mount is named with auth/ before it: remove auth/, which hush adds")
	}
	return mount, nil
}

// answeredWith reports whether err is an answer of Vault with that status.
func answeredWith(err error, status int) bool {
	answer, ok := errors.AsType[*api.ResponseError](err)
	return ok && answer.StatusCode == status
}
