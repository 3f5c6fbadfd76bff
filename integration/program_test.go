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

// secretName is the database's in each store.
const secretName = "prod/orders/db"

// A program is one that reads its database's secret through the extension, and all
// that is around it: the store, the extension, the rotation and the load.
type program struct {
	store          *directtest.Server
	extensionReads atomic.Int64
	rotator        *rotator
	login          login
	load           *load

	mu       sync.Mutex
	onRotate []int
	rotation chan struct{} // has an element when onRotate changed
}

// newProgram starts a program whose workers query.
func newProgram(t *testing.T, server *pg.Server, s scheme) *program {
	t.Helper()
	p := &program{store: startStore(t), rotation: make(chan struct{}, 1)}
	p.rotator = newRotator(t, server, p.store, s.users)
	p.rotator.begin(t)

	secrets := p.secrets(t, p.serveExtension(t, s.extension), s)
	connector := sqlconnector.New(secrets, hush.Name(secretName), stdlib.GetDefaultDriver(), p.login.open, hush.RetryPolicy{Stages: s.stages})
	db := sql.OpenDB(connector)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	db.SetMaxIdleConns(-1) // every query logs in
	p.load = startLoad(t, db)
	return p
}

// secrets returns what a program in Lambda reads from.
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
			if ref == hush.Name(secretName) { // and not what AWSPENDING is
				p.note(t, current.Version)
			}
		},
	})
	t.Cleanup(func() { assert.NoError(t, cache.Close()) })
	return cache
}

func (p *program) note(t *testing.T, version string) {
	t.Helper()
	n, err := ordinal(version)
	assert.NoError(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onRotate = append(p.onRotate, n)
	select {
	case p.rotation <- struct{}{}:
	default:
	}
}

// serveExtension serves the extension's protocol from a cache of its own in front
// of the store, and returns where.
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

// storeReads returns how often the program and its extension read from the store.
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

var roles atomic.Int64 // so that the tests of one server keep out of each other's way

func newRotator(t *testing.T, server *pg.Server, store *directtest.Server, users int) *rotator {
	t.Helper()
	admin := sql.OpenDB(stdlib.GetConnector(*adminConfig(server)))
	t.Cleanup(func() { assert.NoError(t, admin.Close()) })
	name := "app" + strconv.FormatInt(roles.Add(1), 10)
	return &rotator{
		// Under a key of its own, so that the program's reads can be told from its.
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

// postgres returns the driver's configuration, without a user.
func postgres(host, port, database string) *pgx.ConnConfig {
	config, err := pgx.ParseConfig("host=" + host + " port=" + port + " dbname=" + database + " sslmode=disable")
	if err != nil {
		panic(err) // it holds no secret, and is ours
	}
	return config
}

// try connects once.
func try(ctx context.Context, config *pgx.ConnConfig) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// A login is the Open of a connector, and counts what became of it.
type login struct{ opened, rejected atomic.Int64 }

func (l *login) open(ctx context.Context, with sqlconnector.Login) (driver.Conn, error) {
	config := postgres(with.Host, with.Port.String(), with.Database)
	config.User, config.Password = with.Username, with.Password.Reveal()
	config.RuntimeParams["application_name"] = with.Version
	conn, err := stdlib.GetConnector(*config).Connect(ctx)
	switch refused, ok := errors.AsType[*pgconn.PgError](err); {
	case err == nil:
		l.opened.Add(1)
	case ok && refused.Code == "28P01":
		l.rejected.Add(1)
	}
	return conn, err
}
