package vault

import (
	"context"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
)

// AppRoleOptions are the settings of a login by AppRole. SecretID, SecretIDFile and
// SecretIDEnv exclude each other; with none of them the role must be one that binds
// no secret id (bind_secret_id=false). Two of them, a RoleID that is empty, and a
// secret id that is missing, empty or over 64 KiB are ErrUnauthenticated at Login.
// Space around the secret id is dropped.
type AppRoleOptions struct {
	// Mount is the path of the auth method, without auth/. Empty: "approle".
	Mount string

	// RoleID says which role; it is no secret.
	RoleID string

	// SecretID is the secret id itself.
	SecretID hush.Value

	// SecretIDFile is the path of a file with the secret id, which is read for each
	// login.
	SecretIDFile string

	// SecretIDEnv is the name of an environment variable with the secret id, which is
	// read for each login.
	SecretIDEnv string

	// Wrapped says that the source of the secret id holds a wrapping token for it. It
	// is unwrapped once, after Vault has said that the wrapping token was made for a
	// secret id of this auth method, and the secret id is kept in memory for later
	// logins: let it live and be used as long and as often as the program needs.
	// Another wrapping token in the file or the variable replaces it at the next
	// login; while there is none, the secret id goes on. A wrapping token that Vault
	// does not know is ErrUnauthenticated: it expired, or somebody else unwrapped it.
	Wrapped bool
}

// AppRole returns the method of a role id and a secret id. A nil opts has no role id
// and cannot log in.
func AppRole(opts *AppRoleOptions) api.AuthMethod {
	if opts == nil {
		opts = &AppRoleOptions{}
	}
	m := &appRole{
		credential: credential{
			what: "secret id", option: "SecretID",
			value: opts.SecretID, file: opts.SecretIDFile, env: opts.SecretIDEnv,
		},
		given: opts.Mount, roleID: opts.RoleID,
	}
	if opts.Wrapped {
		m.what = "wrapping token of the secret id"
		m.wrapped = &unwrapper{turn: make(chan struct{}, 1)}
	}
	return m
}

type appRole struct {
	credential
	given   string // the mount
	roleID  string
	wrapped *unwrapper // nil: the source holds the secret id itself
}

// Login logs in with the secret id as it is now.
func (m *appRole) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	mount, err := authMount(m.given, "approle")
	if err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	body := map[string]any{"role_id": m.roleID}
	if len(m.sources()) > 0 {
		if body["secret_id"], err = m.secretID(ctx, client, mount); err != nil {
			return nil, err
		}
	}
	return loginAt(ctx, client, mount, body)
}

func (m *appRole) check() error {
	switch {
	case m.roleID == "":
		return errUnable("no role id to log in with: set RoleID")
	case m.wrapped != nil && len(m.sources()) == 0:
		return errUnable("Wrapped is set and there is nothing to unwrap: set SecretID, SecretIDFile or SecretIDEnv")
	}
	return m.credential.check()
}

func (m *appRole) secretID(ctx context.Context, client *api.Client, mount string) (string, error) {
	if m.wrapped == nil {
		return m.find()
	}
	id, err := m.wrapped.secretID(ctx, client, mount, m.findToken)
	return id.Reveal(), err
}
