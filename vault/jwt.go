package vault

import (
	"context"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
)

// serviceAccountToken is where Kubernetes puts the JWT of a pod's service account.
const serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// JWTOptions are the settings of a login by JWT. JWT, JWTFile and JWTEnv exclude each
// other: two that are set are ErrUnauthenticated at Login, and so is a JWT that is
// missing, empty or over 64 KiB. Space around it is dropped.
type JWTOptions struct {
	// Mount is the path of the auth method, without auth/. Empty: "kubernetes" for
	// Kubernetes, "jwt" for JWT.
	Mount string

	// JWT is the token itself.
	JWT hush.Value

	// JWTFile is the path of a file with the token, which is read for each login,
	// because whoever issues it replaces it before it expires. Empty for Kubernetes,
	// with no other source: the file of the pod's service account,
	// /var/run/secrets/kubernetes.io/serviceaccount/token.
	JWTFile string

	// JWTEnv is the name of an environment variable with the token, which is read for
	// each login.
	JWTEnv string
}

// Kubernetes returns the method of a pod, which logs in as role with the JWT of its
// service account. A nil opts is the default. An empty role is ErrUnauthenticated at
// Login.
func Kubernetes(role string, opts *JWTOptions) api.AuthMethod {
	m := newJWT(role, "kubernetes", opts)
	m.needsRole = true
	if len(m.sources()) == 0 {
		m.file = serviceAccountToken
	}
	return m
}

// JWT returns the method of a JWT that an issuer which Vault trusts has signed, such
// as that of a CI job. It logs in as role; empty is the default role of the auth
// method. Options without a JWT are ErrUnauthenticated at Login.
func JWT(role string, opts *JWTOptions) api.AuthMethod {
	return newJWT(role, "jwt", opts)
}

type jwt struct {
	credential
	given, fallback string // the mount
	role            string
	needsRole       bool
}

func newJWT(role, fallback string, opts *JWTOptions) jwt {
	if opts == nil {
		opts = &JWTOptions{}
	}
	return jwt{
		credential: credential{what: "JWT", option: "JWT", value: opts.JWT, file: opts.JWTFile, env: opts.JWTEnv},
		given:      opts.Mount, fallback: fallback, role: role,
	}
}

// Login logs in with the JWT as it is now.
func (m jwt) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	mount, err := authMount(m.given, m.fallback)
	if err != nil {
		return nil, err
	}
	body, err := m.body()
	if err != nil {
		return nil, err
	}
	return loginAt(ctx, client, mount, body)
}

func (m jwt) body() (map[string]any, error) {
	switch {
	case m.needsRole && m.role == "":
		return nil, errUnable("no role to log in as")
	case len(m.sources()) == 0:
		return nil, errUnable("no JWT to log in with: set JWT, JWTFile or JWTEnv")
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	token, err := m.find()
	if err != nil {
		return nil, err
	}
	body := map[string]any{"jwt": token}
	if m.role != "" {
		body["role"] = m.role
	}
	return body, nil
}
