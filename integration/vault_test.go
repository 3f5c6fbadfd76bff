package integration_test

import (
	"context"
	"encoding/base64"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/integration/internal/vaultserver"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
)

const password = "canary-8c1e-password" // part of every secret; no error may contain it

var errWrongValue = errors.New("wrong value")

// A store is a Vault with KV engines of both versions and an AppRole role app that may read
// them.
type store struct {
	*vaultserver.Server
	roleID string
}

func startVault(t testing.TB, login vaultserver.Login) *store {
	t.Helper()
	s := &store{Server: vaultserver.Start(t)}
	s.MountKV("kv", 2)
	s.MountKV("old", 1)
	s.Policy("reader", `
		path "kv/data/*" { capabilities = ["read"] }
		path "old/*" { capabilities = ["read"] }`)
	s.Enable("approle")
	login.Policies = append(login.Policies, "reader")
	s.roleID = s.AppRole("app", login)
	s.put("db", map[string]any{"user": "app", "password": password})
	return s
}

// put writes a new version of a secret of kv.
func (s *store) put(name string, data map[string]any) {
	s.Write("kv/data/"+name, map[string]any{"data": data})
}

// appRole returns a login as app with a new secret ID.
func (s *store) appRole() api.AuthMethod {
	return auth.AppRole(s.roleID, &auth.AppRoleOptions{SecretID: auth.Value(hush.NewValue([]byte(s.SecretID("app"))))})
}

// kv returns a Provider of kv that logs in as app.
func (s *store) kv(t testing.TB) hush.Provider {
	t.Helper()
	return s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: s.appRole()}))
}

// newClient returns a client of package vault. The end of t closes its connections.
func (s *store) newClient(t testing.TB) *api.Client {
	t.Helper()
	client, err := vault.NewClient(&vault.ClientOptions{Addresses: []string{s.URL()}, IgnoreEnvironment: true})
	require.NoError(t, err)
	t.Cleanup(client.CloneConfig().HttpClient.CloseIdleConnections)
	return client
}

// watched returns p and asserts that its errors contain no hidden text.
func (s *store) watched(t testing.TB, p hush.Provider, hidden ...string) hush.Provider {
	t.Helper()
	hidden = append(hidden, password, s.Root())
	var seen sync.Map
	return hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		secret, err := p.Get(ctx, ref)
		if err == nil {
			return secret, nil
		}
		if _, again := seen.LoadOrStore(err.Error(), true); !again {
			assert.Empty(t, providertest.Leaks(err, hidden...), "%s", ref)
		}
		return secret, err
	})
}

// readDB reads the secret db of kv and checks its value.
func readDB(ctx context.Context, p hush.Provider) error {
	secret, err := p.Get(ctx, hush.Ref{Name: "db", Field: "password"})
	if err == nil && !secret.Value.Equal(hush.NewValue([]byte(password))) {
		return errWrongValue
	}
	return err
}

// assertFails asserts that a read fails with class and that the error contains words.
func assertFails(t *testing.T, p hush.Provider, ref hush.Ref, class hush.Class, words ...string) {
	t.Helper()
	_, err := p.Get(t.Context(), ref)
	if !assert.Error(t, err, "%s", ref) {
		return
	}
	assert.Equal(t, class, hush.ClassOf(err), "%s: %v", ref, err)
	for _, word := range words {
		assert.ErrorContains(t, err, word)
	}
}

// readers are goroutines that read until stop.
type readers struct {
	quit    chan struct{}
	running sync.WaitGroup
	reads   []atomic.Int64 // completed reads of each goroutine

	mu   sync.Mutex
	errs []error
}

func startReaders(t testing.TB, n int, read func(context.Context) error) *readers {
	t.Helper()
	r := &readers{quit: make(chan struct{}), reads: make([]atomic.Int64, n)}
	ctx := context.WithoutCancel(t.Context())
	for i := range n {
		r.running.Go(func() {
			for {
				select {
				case <-r.quit:
					return
				default:
				}
				if err := read(ctx); err != nil {
					r.record(err)
				}
				r.reads[i].Add(1)
			}
		})
	}
	t.Cleanup(r.stop)
	return r
}

func (r *readers) record(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

// awaitReads waits until each goroutine has started and completed a read.
func (r *readers) awaitReads(t testing.TB) {
	t.Helper()
	before := make([]int64, len(r.reads))
	for i := range r.reads {
		before[i] = r.reads[i].Load()
	}
	require.Eventually(t, func() bool {
		for i := range r.reads {
			if r.reads[i].Load() < before[i]+2 { // the first read may have started earlier
				return false
			}
		}
		return true
	}, time.Minute, 5*time.Millisecond)
}

func (r *readers) stop() {
	select {
	case <-r.quit:
	default:
		close(r.quit)
	}
	r.running.Wait()
}

// failed stops the goroutines and returns the errors.
func (r *readers) failed() []error {
	r.stop()
	return r.errs
}

// total returns the number of completed reads.
func (r *readers) total() (n int64) {
	for i := range r.reads {
		n += r.reads[i].Load()
	}
	return n
}

// eventually requires that condition becomes true within a minute.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, time.Minute, 10*time.Millisecond, what)
}

// decodesBytes returns p with values encoded by asObject decoded.
func decodesBytes(p hush.Provider) hush.Provider {
	return hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		secret, err := p.Get(ctx, ref)
		if err == nil && ref.Field == "" {
			secret.Value = decodeBytes(secret)
		}
		return secret, err
	})
}

const bytesMember = "base64"

func decodeBytes(secret hush.Secret) hush.Value {
	member, err := secret.Field(bytesMember)
	if err != nil {
		return secret.Value // a JSON object
	}
	value, err := base64.StdEncoding.DecodeString(member.Value.Reveal())
	if err != nil {
		return hush.Value{}
	}
	return hush.NewValue(value)
}

// withPrefix returns p with prefix in front of each name.
func withPrefix(prefix string, p hush.Provider) hush.Provider {
	return hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		if err := ref.Validate(); err != nil {
			return hush.Secret{}, err
		}
		full := ref
		full.Name = prefix + ref.Name
		secret, err := p.Get(ctx, full)
		if e, ok := errors.AsType[*hush.Error](err); ok {
			return secret, hush.NewError(e.Provider, ref, e.Class, e.Err)
		}
		return secret, err
	})
}
