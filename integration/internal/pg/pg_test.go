package pg_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hush-secrets/hush/integration/internal/pg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStartConnectAndStop(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server, err := pg.Start(ctx)
	require.NoError(t, err)
	admin := open(t, fmt.Sprintf("host=%s port=%d user=%s dbname=%s", server.SocketDir, server.Port, pg.AdminUser, pg.AdminDatabase))
	_, err = admin.ExecContext(ctx, "CREATE ROLE app LOGIN PASSWORD 'hunter2'")
	require.NoError(t, err, "the administrator needs no password on the socket")

	app := fmt.Sprintf("host=%s port=%d user=app dbname=%s sslmode=disable", server.Host, server.Port, pg.AdminDatabase)
	var backend int
	require.NoError(t, open(t, app+" password=hunter2").QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&backend))
	pgErr, _ := errors.AsType[*pgconn.PgError](open(t, app+" password=hunter3").PingContext(ctx))
	if assert.NotNil(t, pgErr, "the server rejects the wrong password") {
		assert.Equal(t, "28P01", pgErr.SQLState())
	}

	require.NoError(t, server.Stop())
	assert.ErrorIs(t, syscall.Kill(backend, 0), syscall.ESRCH, "the process of an open connection has ended")
	assert.NoDirExists(t, server.SocketDir)
	assert.Error(t, server.Stop(), "the server had already ended")
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db
}

func TestStartFailsWithCanceledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	server, err := pg.Start(ctx)
	assert.Error(t, err)
	assert.Nil(t, server)
}
