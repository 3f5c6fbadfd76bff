package vaultserver

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
)

// Write writes data to path with the root token. It returns the response, which may be nil.
func (s *Server) Write(path string, data map[string]any) *api.Secret {
	s.tb.Helper()
	resp, err := s.rootClient().Logical().Write(path, data)
	require.NoError(s.tb, err)
	return resp
}

// Read reads path with the root token.
func (s *Server) Read(path string) *api.Secret {
	s.tb.Helper()
	resp, err := s.rootClient().Logical().Read(path)
	require.NoError(s.tb, err)
	return resp
}

// List lists the keys at path with the root token.
func (s *Server) List(path string) (keys []string) {
	s.tb.Helper()
	resp, err := s.rootClient().Logical().List(path)
	require.NoError(s.tb, err)
	if resp == nil {
		return nil
	}
	all, ok := resp.Data["keys"].([]any)
	require.True(s.tb, ok)
	for _, key := range all {
		keys = append(keys, fmt.Sprint(key))
	}
	return keys
}

// MountKV mounts a KV engine of version 1 or 2 at path.
func (s *Server) MountKV(path string, version int) {
	s.tb.Helper()
	s.mount(path, &api.MountInput{Type: "kv", Options: map[string]string{"version": fmt.Sprint(version)}})
	if version == 1 {
		return
	}
	// A new mount of version 2 responds with status 400 until its upgrade is complete.
	require.Eventually(s.tb, func() bool {
		_, err := s.rootClient().Logical().Read(path + "/config")
		return err == nil
	}, time.Minute, 5*time.Millisecond)
}

func (s *Server) mount(path string, in *api.MountInput) {
	s.tb.Helper()
	require.NoError(s.tb, s.rootClient().Sys().Mount(path, in))
}

// Enable enables an auth method at the path of its name.
func (s *Server) Enable(method string) {
	s.tb.Helper()
	require.NoError(s.tb, s.rootClient().Sys().EnableAuthWithOptions(method, &api.EnableAuthOptions{Type: method}))
}

// Policy writes a policy. It applies to existing tokens, too.
func (s *Server) Policy(name, hcl string) {
	s.tb.Helper()
	require.NoError(s.tb, s.rootClient().Sys().PutPolicy(name, hcl))
}

// Token creates a token.
func (s *Server) Token(in *api.TokenCreateRequest) string {
	s.tb.Helper()
	secret, err := s.rootClient().Auth().Token().Create(in)
	require.NoError(s.tb, err)
	return secret.Auth.ClientToken
}

// Revoke revokes token and its children.
func (s *Server) Revoke(token string) {
	s.tb.Helper()
	require.NoError(s.tb, s.rootClient().Auth().Token().RevokeTree(token))
}

// RevokeLogins revokes all tokens of logins to the auth method at path. It returns after the
// revocation.
func (s *Server) RevokeLogins(path string) {
	s.tb.Helper()
	s.revokePrefix("auth/" + path + "/login")
}

// RevokeLeases revokes all leases below path. It returns after the revocation.
func (s *Server) RevokeLeases(path string) {
	s.tb.Helper()
	s.revokePrefix(path)
}

func (s *Server) revokePrefix(prefix string) {
	s.tb.Helper()
	s.Write("sys/leases/revoke-prefix/"+strings.TrimPrefix(prefix, "/"), map[string]any{"sync": true})
}

// A Login has the settings of the tokens of a login.
type Login struct {
	Policies []string
	TTL      time.Duration // zero means Vault's default
	MaxTTL   time.Duration // zero means Vault's default
	Period   time.Duration // zero means not periodic
}

// Role returns the parameters of a role in the format of most auth methods.
func (l Login) Role() map[string]any {
	return map[string]any{
		"token_policies": l.Policies,
		"token_ttl":      l.TTL.String(),
		"token_max_ttl":  l.MaxTTL.String(),
		"token_period":   l.Period.String(),
	}
}

// AppRole creates a role of the auth method approle, which must be enabled.
func (s *Server) AppRole(name string, login Login) (roleID string) {
	s.tb.Helper()
	s.Write("auth/approle/role/"+name, login.Role())
	return fmt.Sprint(s.Read("auth/approle/role/" + name + "/role-id").Data["role_id"])
}

// SecretID creates a secret ID.
func (s *Server) SecretID(role string) string {
	s.tb.Helper()
	return fmt.Sprint(s.Write("auth/approle/role/"+role+"/secret-id", nil).Data["secret_id"])
}

// WrappedSecretID creates a secret ID and returns its wrapping token.
func (s *Server) WrappedSecretID(role string, ttl time.Duration) string {
	s.tb.Helper()
	return s.Wrap("auth/approle/role/"+role+"/secret-id", nil, ttl)
}

// Wrap is Write with a wrapped response. It returns the wrapping token.
func (s *Server) Wrap(path string, data map[string]any, ttl time.Duration) string {
	s.tb.Helper()
	client, err := s.rootClient().Clone()
	require.NoError(s.tb, err)
	client.SetToken(s.root)
	client.SetWrappingLookupFunc(func(string, string) string { return ttl.String() })
	resp, err := client.Logical().Write(path, data)
	require.NoError(s.tb, err)
	return resp.WrapInfo.Token
}

// rootClient returns the client of the methods of Server.
func (s *Server) rootClient() *api.Client {
	s.clientOnce.Do(func() { s.client = s.Client() })
	return s.client
}
