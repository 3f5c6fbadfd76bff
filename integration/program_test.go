package integration_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/examples/sqlconnector"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/integration/internal/pg"
)

// secretName is the name of the database secret.
const secretName = "prod/orders/db"

// A program reads its database secret through the extension. It includes the store, the
// extension, the rotation and the load.
type program struct {
	store          *directtest.Server
	extensionReads atomic.Int64
	rotator        *rotator
	connector      connector
	load           *load

	mu       sync.Mutex
	onRotate []int
	rotation chan struct{} // receives a value when onRotate changes
}

// newProgram starts a program with its workers.
func newProgram(t *testing.T, server *pg.Server, s scheme) *program {
	t.Helper()
	p := &program{store: startStore(t), rotation: make(chan struct{}, 1)}
	p.rotator = newRotator(t, server, p.store, s.users)
	p.rotator.setUp(t)

	secrets := p.secrets(t, p.serveExtension(t, s.extension), s)
	connect := sqlconnector.New(secrets, hush.Name(secretName), stdlib.GetDefaultDriver(), p.connector.open, hush.RetryPolicy{Stages: s.stages})
	db := sql.OpenDB(connect)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	db.SetMaxIdleConns(-1) // every query opens a connection
	p.load = startLoad(t, db)
	return p
}

// secrets returns the Provider of a program in Lambda.
func (p *program) secrets(t *testing.T, endpoint string, s scheme) hush.Provider {
	t.Helper()
	token := func(context.Context) (string, error) { return "token", nil }
	lambda := chain.New([]chain.Link{
		{
			Name: "extension", Front: true,
			Provider: extension.New(&extension.Options{Endpoint: endpoint, Token: token, Dialect: extension.DialectLambda}),
		},
		{Name: "direct", Provider: direct.New(p.store.Client(), nil)},
	}, nil)
	cache := cachettl.New(lambda, s.cache, &cachettl.Options{
		MinRefresh: s.minRefresh,
		OnRotate: func(ref hush.Ref, _, current hush.Secret) {
			if ref == hush.Name(secretName) { // the ref of AWSPENDING has a stage
				p.recordRotation(t, current.Version)
			}
		},
	})
	t.Cleanup(func() { assert.NoError(t, cache.Close()) })
	return cache
}

func (p *program) recordRotation(t *testing.T, version string) {
	t.Helper()
	n, err := versionNumber(version)
	assert.NoError(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onRotate = append(p.onRotate, n)
	select {
	case p.rotation <- struct{}{}:
	default:
	}
}

// serveExtension serves the extension's protocol with its own cache in front of the store.
func (p *program) serveExtension(t *testing.T, ttl time.Duration) (endpoint string) {
	t.Helper()
	cache := cachettl.New(direct.New(p.store.Client(), nil), ttl, nil)
	handler := agent.Handler(cache, "token", nil)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() {
		served <- agent.Serve(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p.extensionReads.Add(1)
			handler.ServeHTTP(w, r)
		}))
	}()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-served)
		assert.NoError(t, cache.Close())
	})
	return "http://" + listener.Addr().String()
}

// storeReads returns the number of reads by the program and its extension.
func (p *program) storeReads() int {
	return p.store.Calls(directtest.Call{Operation: "GetSecretValue", AccessKeyID: directtest.AccessKeyID})
}

func startStore(t *testing.T) *directtest.Server {
	t.Helper()
	store, err := directtest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return store
}

var roles atomic.Int64 // makes role names unique among tests of one server

func newRotator(t *testing.T, server *pg.Server, store *directtest.Server, users int) *rotator {
	t.Helper()
	admin := sql.OpenDB(stdlib.GetConnector(*adminConfig(server)))
	t.Cleanup(func() { assert.NoError(t, admin.Close()) })
	name := "app" + strconv.FormatInt(roles.Add(1), 10)
	return &rotator{
		// The access key distinguishes its reads from those of the program.
		store: store.Client(func(o *secretsmanager.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider("AKIAROTATION", "rotation", "")
		}),
		name:  secretName,
		admin: admin,
		users: []string{name, name + "_clone"}[:users],
		first: credential{Engine: "postgres", Host: server.Host, Port: server.Port, Database: pg.AdminDatabase},
	}
}

func adminConfig(server *pg.Server) *pgx.ConnConfig {
	config := postgres(server.SocketDir, strconv.Itoa(server.Port), pg.AdminDatabase)
	config.User = pg.AdminUser
	return config
}

// postgres returns the configuration of the driver without a user.
func postgres(host, port, database string) *pgx.ConnConfig {
	config, err := pgx.ParseConfig("host=" + host + " port=" + port + " dbname=" + database + " sslmode=disable")
	if err != nil {
		panic(err) // the configuration has no secret
	}
	return config
}

// tryConnect opens and closes a connection.
func tryConnect(ctx context.Context, config *pgx.ConnConfig) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// A connector opens connections and counts the results.
type connector struct{ opened, rejected atomic.Int64 }

func (c *connector) open(ctx context.Context, login sqlconnector.Login) (driver.Conn, error) {
	config := postgres(login.Host, login.Port.String(), login.Database)
	config.User, config.Password = login.Username, login.Password.Reveal()
	config.RuntimeParams["application_name"] = login.Version
	conn, err := stdlib.GetConnector(*config).Connect(ctx)
	switch pgErr, ok := errors.AsType[*pgconn.PgError](err); {
	case err == nil:
		c.opened.Add(1)
	case ok && pgErr.Code == "28P01":
		c.rejected.Add(1)
	}
	return conn, err
}
