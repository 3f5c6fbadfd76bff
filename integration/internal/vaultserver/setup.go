package vaultserver

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
)

// Do writes data to path as root, and returns the answer, which may be nil.
func (s *Server) Do(path string, data map[string]any) *api.Secret {
	s.tb.Helper()
	answer, err := s.rootClient().Logical().Write(path, data)
	require.NoError(s.tb, err)
	return answer
}

// Has returns what is at path, as root sees it.
func (s *Server) Has(path string) *api.Secret {
	s.tb.Helper()
	answer, err := s.rootClient().Logical().Read(path)
	require.NoError(s.tb, err)
	return answer
}

// List returns the keys at path, as root sees them.
func (s *Server) List(path string) (keys []string) {
	s.tb.Helper()
	answer, err := s.rootClient().Logical().List(path)
	require.NoError(s.tb, err)
	if answer == nil {
		return nil
	}
	all, ok := answer.Data["keys"].([]any)
	require.True(s.tb, ok)
	for _, key := range all {
		keys = append(keys, fmt.Sprint(key))
	}
	return keys
}

// MountKV mounts a KV engine, of version 1 or 2.
func (s *Server) MountKV(path string, version int) {
	s.tb.Helper()
	s.mount(path, &api.MountInput{Type: "kv", Options: map[string]string{"version": fmt.Sprint(version)}})
	if version == 1 {
		return
	}
	// A mount of version 2 answers 400 while it upgrades itself, which it does at
	// first, too.
	require.Eventually(s.tb, func() bool {
		_, err := s.rootClient().Logical().Read(path + "/config")
		return err == nil
	}, time.Minute, 5*time.Millisecond)
}

func (s *Server) mount(path string, in *api.MountInput) {
	s.tb.Helper()
	require.NoError(s.tb, s.rootClient().Sys().Mount(path, in))
}

// Enable enables an auth method, at the path of its name.
func (s *Server) Enable(method string) {
	s.tb.Helper()
	require.NoError(s.tb, s.rootClient().Sys().EnableAuthWithOptions(method, &api.EnableAuthOptions{Type: method}))
}

// Policy writes the policy of that name, which holds for the tokens that have it.
func (s *Server) Policy(name, hcl string) {
	s.tb.Helper()
	require.NoError(s.tb, s.rootClient().Sys().PutPolicy(name, hcl))
}

// Token makes a token.
func (s *Server) Token(in *api.TokenCreateRequest) string {
	s.tb.Helper()
	made, err := s.rootClient().Auth().Token().Create(in)
	require.NoError(s.tb, err)
	return made.Auth.ClientToken
}

// Revoke revokes a token.
func (s *Server) Revoke(token string) {
	s.tb.Helper()
	require.NoError(s.tb, s.rootClient().Auth().Token().RevokeTree(token))
}

// RevokeLogins revokes every token that came from a login to the method at path,
// and returns when they are gone.
func (s *Server) RevokeLogins(path string) {
	s.tb.Helper()
	s.revokePrefix("auth/" + path + "/login")
}

// RevokeLeases revokes every lease of a path, and returns when they are gone.
func (s *Server) RevokeLeases(path string) {
	s.tb.Helper()
	s.revokePrefix(path)
}

func (s *Server) revokePrefix(prefix string) {
	s.tb.Helper()
	s.Do("sys/leases/revoke-prefix/"+strings.TrimPrefix(prefix, "/"), map[string]any{"sync": true})
}

// A Login is what a role gives to those who log in with it.
type Login struct {
	Policies []string
	TTL      time.Duration // of the token; 0: Vault's
	MaxTTL   time.Duration // that renewals end at; 0: Vault's
	Period   time.Duration // of a token that can be renewed for ever; 0: it is none
}

// Role returns the parameters of a role, as most auth methods have them.
func (l Login) Role() map[string]any {
	return map[string]any{
		"token_policies": l.Policies,
		"token_ttl":      l.TTL.String(),
		"token_max_ttl":  l.MaxTTL.String(),
		"token_period":   l.Period.String(),
	}
}

// AppRole makes a role of the approle method, which Enable enabled.
func (s *Server) AppRole(name string, login Login) (roleID string) {
	s.tb.Helper()
	s.Do("auth/approle/role/"+name, login.Role())
	return fmt.Sprint(s.Has("auth/approle/role/" + name + "/role-id").Data["role_id"])
}

// SecretID makes a secret id.
func (s *Server) SecretID(role string) string {
	s.tb.Helper()
	return fmt.Sprint(s.Do("auth/approle/role/"+role+"/secret-id", nil).Data["secret_id"])
}

// WrappedSecretID makes a secret id, and returns the token that unwraps it once.
func (s *Server) WrappedSecretID(role string, ttl time.Duration) string {
	s.tb.Helper()
	return s.Wrap("auth/approle/role/"+role+"/secret-id", nil, ttl)
}

// Wrap is Do with an answer that is wrapped: it returns the wrapping token.
func (s *Server) Wrap(path string, data map[string]any, ttl time.Duration) string {
	s.tb.Helper()
	client, err := s.rootClient().Clone()
	require.NoError(s.tb, err)
	client.SetToken(s.root)
	client.SetWrappingLookupFunc(func(string, string) string { return ttl.String() })
	answer, err := client.Logical().Write(path, data)
	require.NoError(s.tb, err)
	return answer.WrapInfo.Token
}

// rootClient returns the client of the server's own methods.
func (s *Server) rootClient() *api.Client {
	s.own.Do(func() { s.client = s.Client() })
	return s.client
}
