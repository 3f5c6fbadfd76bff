package vaultserver_test

import (
	"context"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/integration/internal/pg"
	"github.com/hush-secrets/hush/integration/internal/vaultserver"
)

func TestMountKV(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *vaultserver.Server{
		"plain": vaultserver.Start, "TLS": vaultserver.StartTLS,
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			server.MountKV("kv1", 1)
			server.MountKV("kv2", 2)
			server.Write("kv1/db", map[string]any{"user": "app"})
			server.Write("kv2/data/db", map[string]any{"data": map[string]any{"user": "app"}})
			v1, err := server.Client().KVv1("kv1").Get(t.Context(), "db")
			require.NoError(t, err)
			assert.Equal(t, "app", v1.Data["user"])
			v2, err := server.Client().KVv2("kv2").Get(t.Context(), "db")
			require.NoError(t, err)
			assert.Equal(t, "app", v2.Data["user"])
			assert.Equal(t, 1, v2.VersionMetadata.Version)
			assert.Equal(t, 1, server.Calls("/v1/kv2/data/db")-1)
		})
	}
}

func TestSealStopRestartAndHang(t *testing.T) {
	server := vaultserver.Start(t)
	server.MountKV("kv", 2)
	server.Write("kv/data/db", map[string]any{"data": map[string]any{"user": "app"}})
	server.Policy("reader", `path "kv/data/*" { capabilities = ["read"] }`)
	token := server.Token(&api.TokenCreateRequest{Policies: []string{"reader"}})
	client := server.ClientWith(token)
	client.SetMaxRetries(0)
	read := func() error {
		_, err := client.KVv2("kv").Get(t.Context(), "db")
		return err
	}
	require.NoError(t, read())
	_, err := client.KVv2("other").Get(t.Context(), "db")
	assert.Equal(t, 403, statusOf(t, err))

	server.Seal()
	assert.Equal(t, 503, statusOf(t, read()))
	server.Unseal()
	require.NoError(t, read())

	assert.Positive(t, server.Connections())
	server.Stop()
	require.Error(t, read())
	assert.Zero(t, server.Connections())
	server.Resume()
	require.NoError(t, read())

	server.Restart()
	require.NoError(t, read(), "the token is still valid")

	restore := server.Hang()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = client.KVv2("kv").Get(ctx, "db")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	restore()
	require.NoError(t, read())

	server.Revoke(token)
	assert.Equal(t, 403, statusOf(t, read()))
}

func TestAppRoleLogin(t *testing.T) {
	server := vaultserver.Start(t)
	server.Enable("approle")
	roleID := server.AppRole("app", vaultserver.Login{TTL: time.Minute, Period: time.Minute})
	login := func(secretID string) *api.Secret {
		resp, err := server.ClientWith("").Logical().Write("auth/approle/login", map[string]any{"role_id": roleID, "secret_id": secretID})
		require.NoError(t, err)
		return resp
	}
	assert.True(t, login(server.SecretID("app")).Auth.Renewable)

	wrapped := server.WrappedSecretID("app", time.Minute)
	unwrapped, err := server.ClientWith("").Logical().Unwrap(wrapped)
	require.NoError(t, err)
	token := login(unwrapped.Data["secret_id"].(string)).Auth.ClientToken
	assert.Equal(t, 2, server.Logins())
	_, err = server.ClientWith("").Logical().Unwrap(wrapped)
	assert.Equal(t, 400, statusOf(t, err), "a wrapping token is valid once")

	_, err = server.ClientWith(token).Auth().Token().LookupSelf()
	require.NoError(t, err)
	server.RevokeLogins("approle")
	_, err = server.ClientWith(token).Auth().Token().LookupSelf()
	assert.Equal(t, 403, statusOf(t, err))
}

func TestDatabaseLease(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	db, err := pg.Start(ctx)
	require.NoError(t, err, "this test needs PostgreSQL")
	t.Cleanup(func() { assert.NoError(t, db.Stop()) })
	server := vaultserver.Start(t)
	server.MountDatabase("database", db)
	server.DatabaseRole("database", "app", time.Hour, 2*time.Hour)

	lease := server.Read("database/creds/app")
	assert.Equal(t, 3600, lease.LeaseDuration)
	config, err := pgx.ParseConfig("sslmode=disable")
	require.NoError(t, err)
	config.Host, config.Port, config.Database = db.Host, uint16(db.Port), pg.AdminDatabase
	config.User, config.Password = lease.Data["username"].(string), lease.Data["password"].(string)
	conn, err := pgx.ConnectConfig(ctx, config)
	require.NoError(t, err)
	require.NoError(t, conn.Close(ctx))

	server.RevokeLeases("database/creds")
	_, err = pgx.ConnectConfig(ctx, config)
	assert.Error(t, err, "the user is dropped")
}

func statusOf(t *testing.T, err error) int {
	t.Helper()
	var respErr *api.ResponseError
	require.ErrorAs(t, err, &respErr)
	return respErr.StatusCode
}
