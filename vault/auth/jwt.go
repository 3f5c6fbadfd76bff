package auth

import (
	"context"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush/vault/internal/call"
)

// serviceAccountToken is the file in which Kubernetes puts the JWT of a pod's service
// account.
const serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// JWTOptions are the settings of a login by JWT.
type JWTOptions struct {
	// Mount is the path of the auth method, without auth/. Empty means "kubernetes" for
	// Kubernetes, and "jwt" for JWT.
	Mount string

	// JWT is the JWT to log in with. For Kubernetes, the zero value means that of the pod's
	// service account, File("/var/run/secrets/kubernetes.io/serviceaccount/token"). The
	// function JWT has no default.
	JWT Credential
}

// Kubernetes returns the method that logs in a pod as role, with the JWT of the pod's
// service account. Nil opts means the defaults.
func Kubernetes(role string, opts *JWTOptions) api.AuthMethod {
	m := newJWT(role, "kubernetes", opts)
	m.roleRequired = true
	if m.jwt.kind == "" {
		m.jwt = File(serviceAccountToken)
	}
	return m
}

// JWT returns the method that logs in as role with a JWT, such as the one that a CI
// service issues for a job. Vault must trust the issuer. An empty role means the default
// role of the auth method. JWTOptions.JWT is required.
func JWT(role string, opts *JWTOptions) api.AuthMethod { return newJWT(role, "jwt", opts) }

type jwtMethod struct {
	jwt          Credential
	mount        string
	defaultMount string
	role         string
	roleRequired bool
}

func newJWT(role, defaultMount string, opts *JWTOptions) jwtMethod {
	if opts == nil {
		opts = &JWTOptions{}
	}
	return jwtMethod{jwt: opts.JWT, mount: opts.Mount, defaultMount: defaultMount, role: role}
}

// Login logs in with the current JWT.
func (m jwtMethod) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	mount, err := call.AuthMount(m.mount, m.defaultMount)
	switch {
	case err != nil:
		return nil, failf("%w", err)
	case m.roleRequired && m.role == "":
		return nil, failf("no role to log in as")
	case m.jwt.kind == "":
		return nil, failf("no JWT to log in with: set JWTOptions.JWT")
	}
	jwt, _, err := m.jwt.read("JWT")
	if err != nil {
		return nil, err
	}
	body := map[string]any{"jwt": jwt}
	if m.role != "" {
		body["role"] = m.role
	}
	return call.Login(ctx, client, mount, body)
}
