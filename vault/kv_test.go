package vault_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

// app is the name of the secret in these tests. No error contains kvCanary.
const app, kvCanary = "db/app", "canary-kv"

// A kv is a Provider of the mount "secret" of a server, with a configured version.
type kv struct {
	*vault.Provider
	server *vaulttest.Server
}

func newKV(t *testing.T, version int) kv {
	t.Helper()
	server := startVault(t)
	if version == 1 {
		server.Mount("secret", vaulttest.KV1)
	}
	server.Put("secret", app, map[string]any{"password": kvCanary})
	return kv{vault.New(server.Client(), &vault.Options{KV: version}), server}
}

func (k kv) requireGet(t *testing.T, ref hush.Ref) hush.Secret {
	t.Helper()
	secret, err := k.Get(t.Context(), ref)
	require.NoError(t, err, "%s", ref)
	assert.Equal(t, "vault", secret.Source)
	return secret
}

// requireFailure requires an error of class that contains what and quotes no secret.
func (k kv) requireFailure(t *testing.T, ref hush.Ref, class hush.Class, what string) {
	t.Helper()
	_, err := k.Get(t.Context(), ref)
	require.Error(t, err, "%s", ref)
	assert.Equal(t, class, hush.ClassOf(err), "%v", err)
	assert.ErrorContains(t, err, what)
	assert.Empty(t, providertest.Leaks(err, kvCanary, k.server.RootToken()))
}

func (k kv) calls() int { return k.server.Calls(vaulttest.Call{}) }

func TestGetFromKV2(t *testing.T) {
	k := newKV(t, 2)
	before := time.Now().Add(-time.Minute)
	k.server.PutJSON("secret", app, `{"user":"app","password":"two"}`)
	k.server.SetCustomMetadata("secret", app, map[string]string{"owner": "team-a"})
	secret := k.requireGet(t, hush.Name(app))
	assert.Equal(t, `{"password":"two","user":"app"}`, secret.Value.Reveal(), "the keys are sorted")
	assert.Equal(t, "2", secret.Version)
	assert.Equal(t, map[string]string{"owner": "team-a"}, secret.Metadata)
	assert.True(t, secret.Created.After(before) && !secret.Created.After(time.Now()), "%v", secret.Created)
	assert.True(t, secret.Expires.IsZero(), "it never expires")
	assert.Empty(t, secret.Stages)

	part := k.requireGet(t, hush.Ref{Name: app, Field: "user"})
	assert.Equal(t, "app", part.Value.Reveal())
	assert.Equal(t, "2", part.Version)
	k.requireFailure(t, hush.Ref{Name: app, Field: "none"}, hush.ErrNotFound, "")
}

func TestGetFromKV1(t *testing.T) {
	k := newKV(t, 1)
	k.server.PutJSON("secret", app, `{"user":"app","ttl":"60s","password":"two"}`)
	secret := k.requireGet(t, hush.Name(app))
	assert.Equal(t, `{"password":"two","ttl":"60s","user":"app"}`, secret.Value.Reveal())
	secret.Value, secret.Source = hush.Value{}, ""
	assert.True(t, secret.Equal(hush.Secret{}), "there is no more, and the engine's ttl is not an end: %+v", secret)
}

func TestGetVersionFromKV2(t *testing.T) {
	k := newKV(t, 2)
	for _, text := range []string{`{"n":2}`, `{"n":3}`, `{"n":4}`} {
		k.server.PutJSON("secret", app, text)
	}
	k.server.Delete("secret", app, 2)
	k.server.Destroy("secret", app, 3)
	version := func(v string) hush.Ref { return hush.Ref{Name: app, Version: v} }

	assert.Equal(t, `{"n":4}`, k.requireGet(t, hush.Name(app)).Value.Reveal())
	assert.Equal(t, `{"n":4}`, k.requireGet(t, hush.Ref{Name: app, Stage: hush.CurrentStage}).Value.Reveal())
	one := k.requireGet(t, version("1"))
	assert.Equal(t, `{"password":"canary-kv"}`, one.Value.Reveal())
	assert.Equal(t, "1", one.Version)
	k.requireFailure(t, version("2"), hush.ErrNotFound, "version 2 is deleted (status 404)")
	k.requireFailure(t, version("3"), hush.ErrNotFound, "version 3 is destroyed (status 404)")
	k.requireFailure(t, version("5"), hush.ErrNotFound, "version 5 was never written (status 404)")
	k.requireFailure(t, hush.Name("db/none"), hush.ErrNotFound, "no such secret (status 404)")

	k.server.Undelete("secret", app, 2)
	assert.Equal(t, `{"n":2}`, k.requireGet(t, version("2")).Value.Reveal())
	k.server.Delete("secret", app)
	k.requireFailure(t, hush.Name(app), hush.ErrNotFound, "version 4 is deleted")
	k.server.Destroy("secret", app)
	k.requireFailure(t, hush.Name(app), hush.ErrNotFound, "version 4 is destroyed")
	k.server.PutJSON("secret", app, `{"n":5}`)
	assert.Equal(t, "5", k.requireGet(t, hush.Name(app)).Version)
}

// Vault is not asked: it would read 0 and -1 as the last version, and 010 as 8.
func TestInvalidVersionIsNotFound(t *testing.T) {
	k := newKV(t, 2)
	for _, v := range []string{"0", "-1", "+1", "x", "010", "01", "1.0", "1e0", " 1", "1_0", "0x1", "99999999999", "1&list=true"} {
		k.requireFailure(t, hush.Ref{Name: app, Version: v}, hush.ErrNotFound, "numbers from 1")
	}
	assert.Zero(t, k.calls())
}

func TestMissingSecretIsNotFound(t *testing.T) {
	for _, version := range []int{1, 2} {
		k := newKV(t, version)
		k.requireFailure(t, hush.Ref{Name: app, Stage: "AWSPREVIOUS"}, hush.ErrUnsupported, "no stages")
		k.requireFailure(t, hush.Ref{Name: app, Version: "1", Stage: hush.CurrentStage}, hush.ErrUnsupported, "no stages")
		if version == 1 {
			k.requireFailure(t, hush.Ref{Name: app, Version: "1"}, hush.ErrUnsupported, "no versions")
		}
		assert.Zero(t, k.calls())
	}
}

// A secret whose name really begins with data/ is read.
func TestNameWithDataGetsAHint(t *testing.T) {
	k := newKV(t, 2)
	for _, name := range []string{"data/db/app", "secret/data/db/app"} {
		k.requireFailure(t, hush.Name(name), hush.ErrNotFound, `use the name "db/app"`)
		k.requireFailure(t, hush.Ref{Name: name, Version: "3"}, hush.ErrNotFound, `use the name "db/app"`)
	}
	_, err := k.Get(t.Context(), hush.Name("db/other"))
	require.ErrorIs(t, hush.ClassOf(err), hush.ErrNotFound)
	assert.NotContains(t, err.Error(), "data/")
	k.server.Put("secret", "data/db/app", map[string]any{"password": "x"})
	k.requireGet(t, hush.Name("data/db/app"))

	k = newKV(t, 1)
	_, err = k.Get(t.Context(), hush.Name("data/db/app"))
	require.ErrorIs(t, hush.ClassOf(err), hush.ErrNotFound)
	assert.NotContains(t, err.Error(), "use")
}

func TestVersionWithADeletionTimeExpires(t *testing.T) {
	k := newKV(t, 2)
	at := time.Now().Add(time.Hour).Truncate(time.Microsecond).UTC()
	k.server.DeleteAt("secret", app, at)
	assert.True(t, at.Equal(k.requireGet(t, hush.Name(app)).Expires))
	k.server.DeleteAt("secret", app, time.Now().Add(-time.Second))
	k.requireFailure(t, hush.Name(app), hush.ErrNotFound, "is deleted")
}

func TestDataIsCanonical(t *testing.T) {
	for _, version := range []int{1, 2} {
		k := newKV(t, version)
		for text, want := range map[string]string{
			`{}`: `{}`,
			`{"z":1e400,"y":12345678901234567890,"x":0.10,"w":-0,"v":1E+2}`: `{"v":1E+2,"w":-0,"x":0.10,"y":12345678901234567890,"z":1e400}`,
			`{"html":"<a&b>'","ünï":"🔑\u00e9","esc":"\u0001\n\"\\\/"}`:      `{"esc":"\u0001\n\"\\/","html":"<a&b>'","ünï":"🔑é"}`,
			`{ "b" : { "d" : [ 1, null, true ], "c" : "" }, "a" : [] }`:     `{"a":[],"b":{"c":"","d":[1,null,true]}}`,
			`{"":"empty key","a.b":"x","a/b":"y"}`:                          `{"":"empty key","a.b":"x","a/b":"y"}`,
			`{"data":{"data":1},"metadata":{"version":9}}`:                  `{"data":{"data":1},"metadata":{"version":9}}`,
			`{"long":"` + strings.Repeat("x", 1<<20) + `"}`:                 `{"long":"` + strings.Repeat("x", 1<<20) + `"}`,
		} {
			k.server.PutJSON("secret", app, text)
			assert.Equal(t, want, k.requireGet(t, hush.Name(app)).Value.Reveal(), "version %d", version)
		}
	}
}

func TestInvalidResponsesAreUnavailable(t *testing.T) {
	const meta = `"metadata":{"created_time":"2026-01-01T00:00:00Z","version":1}`
	for version, bodies := range map[int][]string{
		1: {`{"data":null}`, `{}`, `{"data":"canary-kv"}`, `{"data":["canary-kv"]}`, `{"data":1}`, `{"wrap_info":{"token":"canary-kv"}}`},
		2: {
			`{"data":null}`, `{"data":{"data":null,` + meta + `}}`, `{"data":{` + meta + `}}`, `{"data":{"data":"canary-kv",` + meta + `}}`,
			`{"data":{"data":["canary-kv"],` + meta + `}}`, `{"data":"canary-kv"}`, `{"data":{"data":{"a":"canary-kv"}}}`,
			`{"data":{"data":{"a":"canary-kv"},"metadata":{"version":0}}}`, `{"data":{"data":{"a":1},"metadata":{"version":"canary-kv"}}}`,
			`{"data":{"data":{"a":1},"metadata":{"version":1,"custom_metadata":"canary-kv"}}}`,
		},
	} {
		k := newKV(t, version)
		for _, body := range append(bodies, ``, `canary-kv`, `<html>canary-kv</html>`, `{"data":{"password":"canary-kv`, `null`, `[]`, `"canary-kv"`, "\xff") {
			restore := k.server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: http.StatusOK, Body: []byte(body)})
			k.requireFailure(t, hush.Name(app), hush.ErrUnavailable, "")
			restore()
		}
		k.server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: http.StatusNoContent, Body: []byte{}, Times: 1})
		k.requireFailure(t, hush.Name(app), hush.ErrUnavailable, "the response is not valid")
		k.server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: http.StatusOK, Body: bytes.Repeat([]byte("canary-kv"), 1<<19), Times: 1})
		k.requireFailure(t, hush.Name(app), hush.ErrUnavailable, "exceeds the limit of 4 MiB")
		k.requireGet(t, hush.Name(app))
	}
}

// An invalid date must not lose the secret.
func TestInvalidDatesAreIgnored(t *testing.T) {
	k := newKV(t, 2)
	k.server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: http.StatusOK, Body: []byte(`{"data":{"data":{"a":1},"metadata":{"version":7,"created_time":"canary","deletion_time":"canary"}}}`), Times: 1})
	secret := k.requireGet(t, hush.Name(app))
	assert.Equal(t, "7", secret.Version)
	assert.True(t, secret.Created.IsZero() && secret.Expires.IsZero())
}

func TestResponseWithAnotherVersionIsRejected(t *testing.T) {
	k := newKV(t, 2)
	k.server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: http.StatusOK, Body: []byte(`{"data":{"data":{"a":1},"metadata":{"version":7}}}`), Times: 1})
	k.requireFailure(t, hush.Ref{Name: app, Version: "8"}, hush.ErrUnavailable, "returned version 7 instead")
}

func TestNotFoundWithAnInvalidBody(t *testing.T) {
	k := newKV(t, 2)
	for _, body := range []string{``, `canary-kv`, `{"data":"canary-kv"}`, `{"errors":["canary-kv"]}`, `null`, `{"warnings":["canary-kv"]}`} {
		k.server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: http.StatusNotFound, Body: []byte(body), Times: 1})
		k.requireFailure(t, hush.Name(app), hush.ErrNotFound, "(status 404)")
	}
}

func TestWrongVersionOfTheEngineGetsAHint(t *testing.T) {
	server := newKV(t, 2).server
	two := kv{vault.New(server.Client(), &vault.Options{KV: 1}), server}
	two.requireFailure(t, hush.Name(app), hush.ErrNotFound, "check the version of KV")

	server = newKV(t, 1).server
	one := kv{vault.New(server.Client(), &vault.Options{KV: 2}), server}
	one.requireFailure(t, hush.Name(app), hush.ErrNotFound, "no such secret")
	server.PutJSON("secret", "data/"+app, `{"data":{"password":"canary-kv"}}`)
	one.requireFailure(t, hush.Name(app), hush.ErrUnavailable, "the response is not valid")
}

// encoding/json would replace them, and bytes that are not UTF-8, and return another
// secret.
func TestLoneSurrogatesAreRejected(t *testing.T) {
	for text, want := range map[string]string{`\ufffd\ud800`: "a lone surrogate", "\xff": "not UTF-8"} {
		n := newNode(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/auth/token/lookup-self" {
				_, _ = io.WriteString(w, `{"data":{"ttl":0}}`)
				return
			}
			_, _ = io.WriteString(w, `{"data":{"password":"`+text+`"}}`)
		})
		_, err := vault.New(connect(t, n.URL), &vault.Options{KV: 1}).Get(t.Context(), hush.Name("app"))
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
		assert.ErrorContains(t, err, want)
	}
}
