package auth

import (
	"context"
	"encoding/json"
	"io/fs"
	"math"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/internal/call"
)

// fileTick exceeds the resolution of any file system's times. A file that was read
// sooner after a write may be written again without a change of its times.
const fileTick = 3 * time.Second

// Token returns the method that uses an existing token.
//
// Each read of a secret checks whether the file or the variable has a new token, and uses
// it. While the file or the variable is missing or invalid, the last token stays in use.
//
// Login asks Vault for the TTL of the token, so that it can be renewed. This spends one
// use of a token with a limited number of uses. If the token must not look itself up,
// its TTL is unknown, and the token is used until Vault rejects it. Login does not ask
// for the TTL of a token in a file, because the Vault agent that writes the file also
// renews the token.
func Token(c Credential) api.AuthMethod { return &token{credential: c} }

type token struct {
	credential Credential

	mu   sync.Mutex
	last snapshot
}

// A snapshot is a token, and the file that it was read from.
type snapshot struct {
	token   hush.Value
	info    fs.FileInfo // nil if it was not a file
	settled bool        // a file with the same info has the same token
}

// Login returns the token with its TTL.
func (t *token) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	if t.credential.kind == "" {
		return nil, failf("no token to log in with")
	}
	r, err := t.read()
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.last = r
	t.mu.Unlock()
	if t.credential.kind == ofFile {
		return newSecret(r.token.Reveal()), nil
	}
	return lookUp(ctx, client, r.token.Reveal())
}

// TokenChanged implements vault.TokenWatcher. It reads a file only if its size and its
// times do not show whether it changed.
func (t *token) TokenChanged() bool {
	if t.credential.kind == ofValue {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.credential.kind == ofFile {
		info, err := os.Stat(t.credential.name)
		if err != nil || t.last.settled && isSameFile(t.last.info, info) {
			return false
		}
	}
	r, err := t.read()
	if err != nil {
		return false
	}
	if !r.token.Equal(t.last.token) {
		return true
	}
	t.last = r
	return false
}

// read reads the token. The file's state and the token belong to the same descriptor. A
// later write changes the state of the next read.
func (t *token) read() (snapshot, error) {
	now := time.Now()
	text, info, err := t.credential.readToken("token")
	if err != nil {
		return snapshot{}, err
	}
	settled := info != nil && now.Sub(info.ModTime()) > fileTick
	return snapshot{hush.NewValue([]byte(text)), info, settled}, nil
}

func isSameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// lookUp returns token as the result of a login, with the TTL that Vault reports. It
// sends the token itself.
func lookUp(ctx context.Context, client *api.Client, token string) (*api.Secret, error) {
	found, err := call.WithToken(client, token).Auth().Token().LookupSelfWithContext(ctx)
	switch {
	case call.HasStatus(err, http.StatusForbidden):
		return newSecret(token), nil // not allowed, or revoked: the first read shows which
	case err != nil:
		return nil, err
	case found == nil:
		return nil, call.Failf(hush.ErrUnavailable, "the response to the token's lookup is empty")
	}
	seconds, ok := found.Data["ttl"].(json.Number)
	ttl, err := seconds.Int64()
	if !ok || err != nil || ttl < 0 {
		return nil, call.Failf(hush.ErrUnavailable, "the response to the token's lookup has no valid TTL")
	}
	secret := newSecret(token)
	secret.Auth.LeaseDuration = int(min(ttl, math.MaxInt32))
	secret.Auth.Renewable, _ = found.Data["renewable"].(bool)
	return secret, nil
}

// newSecret returns token as the result of a login, without a TTL.
func newSecret(token string) *api.Secret {
	return &api.Secret{Auth: &api.SecretAuth{ClientToken: token}}
}
