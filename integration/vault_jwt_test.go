package integration_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/integration/internal/vaultserver"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
)

// An issuer signs JWTs.
type issuer struct{ key *rsa.PrivateKey }

func newIssuer(t *testing.T) issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return issuer{key}
}

// public returns the public key in PEM.
func (i issuer) public(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&i.key.PublicKey)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// sign returns a JWT for subject that expires after ttl (RFC 7519, RS256).
func (i issuer) sign(t *testing.T, subject string, ttl time.Duration) string {
	t.Helper()
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"sub": subject, "aud": "vault", "iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(ttl).Unix(),
	})
	require.NoError(t, err)
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, digest[:])
	require.NoError(t, err)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestVaultJWTLogin(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	issuer, otherIssuer := newIssuer(t), newIssuer(t)
	s.Enable("jwt")
	s.Write("auth/jwt/config", map[string]any{"jwt_validation_pubkeys": []string{issuer.public(t)}})
	role := vaultserver.Login{Policies: []string{"reader"}}.Role()
	maps.Copy(role, map[string]any{"role_type": "jwt", "bound_audiences": "vault", "bound_subject": "app", "user_claim": "sub"})
	s.Write("auth/jwt/role/app", role)

	file := filepath.Join(t.TempDir(), "jwt")
	write := func(jwt string) {
		require.NoError(t, os.WriteFile(file+".new", []byte(jwt+"\n"), 0o600))
		require.NoError(t, os.Rename(file+".new", file))
	}
	first := issuer.sign(t, "app", time.Minute)
	write(first)
	p := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth.JWT("app", &auth.JWTOptions{JWT: auth.File(file)})}), first)
	require.NoError(t, readDB(t.Context(), p))
	write(issuer.sign(t, "app", time.Minute)) // the platform replaces the JWT
	s.RevokeLogins("jwt")
	require.NoError(t, readDB(t.Context(), p))
	assert.Equal(t, 2, s.Logins())

	for name, jwt := range map[string]string{
		"expired": issuer.sign(t, "app", -time.Hour), "wrong subject": issuer.sign(t, "other", time.Minute),
		"wrong key": otherIssuer.sign(t, "app", time.Minute), "not a JWT": "canary.jwt.nonsense",
	} {
		refused := s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: auth.JWT("app", &auth.JWTOptions{JWT: auth.Value(hush.NewValue([]byte(jwt)))})}), jwt)
		t.Log(name)
		assertFails(t, refused, hush.Name("db"), hush.ErrUnauthenticated)
	}
}
