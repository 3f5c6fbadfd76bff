package auth

import (
	"context"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush/vault/internal/call"
)

// AppRoleOptions are the settings of a login by AppRole.
type AppRoleOptions struct {
	// Mount is the path of the auth method, without auth/. Empty means "approle".
	Mount string

	// SecretID is the secret ID. The zero value means that the role does not require one
	// (bind_secret_id=false).
	SecretID Credential

	// Wrapped means that SecretID has a wrapping token for the secret ID. Login unwraps
	// it once, after Vault has confirmed that the wrapping token was created for a secret
	// ID of this auth method. The secret ID is kept in memory for later logins, so give it
	// a TTL and a number of uses that suffice for the program.
	//
	// A new wrapping token in the file or the variable replaces the secret ID at the next
	// login. If the file or the variable has none, the last secret ID stays in use. Login
	// fails with ErrUnauthenticated if Vault does not know the wrapping token: it expired,
	// or another client has unwrapped it.
	Wrapped bool
}

// AppRole returns the method that logs in with a role ID and, if opts has one, a secret
// ID. Nil opts means the defaults.
func AppRole(roleID string, opts *AppRoleOptions) api.AuthMethod {
	if opts == nil {
		opts = &AppRoleOptions{}
	}
	m := &appRole{roleID: roleID, mount: opts.Mount, secretID: opts.SecretID}
	if opts.Wrapped {
		m.unwrapper = &unwrapper{lock: make(chan struct{}, 1), wrapped: opts.SecretID}
	}
	return m
}

type appRole struct {
	roleID    string
	mount     string
	secretID  Credential
	unwrapper *unwrapper // nil if the secret ID is not wrapped
}

// Login logs in with the current secret ID.
func (m *appRole) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	mount, err := call.AuthMount(m.mount, "approle")
	switch {
	case err != nil:
		return nil, failf("%w", err)
	case m.roleID == "":
		return nil, failf("no role ID to log in with")
	case m.unwrapper != nil && m.secretID.kind == "":
		return nil, failf("AppRoleOptions.Wrapped requires a SecretID")
	}
	body := map[string]any{"role_id": m.roleID}
	switch {
	case m.unwrapper != nil:
		body["secret_id"], err = m.unwrapper.secretID(ctx, client, mount)
	case m.secretID.kind != "":
		body["secret_id"], _, err = m.secretID.read("secret ID")
	}
	if err != nil {
		return nil, err
	}
	return call.Login(ctx, client, mount, body)
}
