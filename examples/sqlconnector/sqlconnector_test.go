package sqlconnector_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/examples/sqlconnector"
	"github.com/hush-secrets/hush/providertest"
)

var ref = hush.Name("prod/orders/db")

// secret returns a secret in the format of RDS.
func secret(password string) []byte {
	return fmt.Appendf(nil, `{"engine":"postgres","username":"app","password":%q,"host":"db.internal","port":5432,"dbname":"orders"}`, password)
}

// A database accepts one password, and is its own driver.
type database struct {
	mu       sync.Mutex
	password string
	refusal  error
	logins   []sqlconnector.Login
}

func (d *database) set(password string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.password = password
}

func (d *database) open(_ context.Context, login sqlconnector.Login) (driver.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.logins = append(d.logins, login)
	if login.Password.Reveal() != d.password {
		return nil, d.refusal
	}
	return connection{}, nil
}

// Open is not used, because the Connector calls open.
func (*database) Open(string) (driver.Conn, error) { return nil, errors.ErrUnsupported }

type connection struct{}

func (connection) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (connection) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }
func (connection) Close() error                        { return nil }

// A refusal is an error of a PostgreSQL driver.
type refusal string

func (refusal) Error() string      { return "password authentication failed" }
func (r refusal) SQLState() string { return string(r) }

// pool returns a pool whose connections are all new, over a cache.
func pool(t *testing.T, next hush.Provider, d *database, r hush.RetryPolicy) *sql.DB {
	t.Helper()
	cache := cachettl.New(next, time.Minute, nil)
	t.Cleanup(func() { assert.NoError(t, cache.Close()) })
	db := sql.OpenDB(sqlconnector.New(cache, ref, d, d.open, r))
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	db.SetMaxIdleConns(-1)
	return db
}

func TestALoginIsWhatTheSecretHolds(t *testing.T) {
	for name, text := range map[string]string{
		"a number for a port": `{"username":"app","password":"p","host":"h","port":5432,"dbname":"orders"}`,
		"a string for a port": `{"username":"app","password":"p","host":"h","port":"5432","dbname":"orders","engine":"postgres"}`,
	} {
		t.Run(name, func(t *testing.T) {
			var m providertest.Map
			m.Put(ref.Name, []byte(text))
			d := &database{password: "p"}
			db := pool(t, &m, d, hush.RetryPolicy{})
			require.NoError(t, db.PingContext(t.Context()))
			require.Len(t, d.logins, 1)
			login := d.logins[0]
			assert.Equal(t, []string{"app", "p", "h", "5432", "orders", "v1"},
				[]string{login.Username, login.Password.Reveal(), login.Host, login.Port.String(), login.Database, login.Version})
			assert.Same(t, d, db.Driver())
		})
	}
}

func TestARefusedLoginWaitsForTheNextSecret(t *testing.T) {
	for name, tc := range map[string]struct {
		refusal error
		retry   hush.RetryPolicy
	}{
		"invalid password":      {refusal: refusal("28P01")},
		"invalid authorization": {refusal: fmt.Errorf("connect: %w", refusal("28000"))},
		"a Rejected function": {refusal: errors.New("Error 1045"), retry: hush.RetryPolicy{
			Rejected: func(err error) bool { return err.Error() == "Error 1045" },
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m providertest.Map
				m.Put(ref.Name, secret("old"))
				d := &database{password: "old", refusal: tc.refusal}
				db := pool(t, &m, d, tc.retry)
				require.NoError(t, db.PingContext(t.Context()))

				d.set("new")
				time.AfterFunc(2*time.Second, func() { m.Put(ref.Name, secret("new")) })
				require.NoError(t, db.PingContext(t.Context()), "the query waits and succeeds")
				assert.Len(t, d.logins, 3, "the old secret was refused once")
				assert.Equal(t, "v2", d.logins[2].Version)
			})
		})
	}
}

func TestConnectFailsIfNoOtherSecretComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m providertest.Map
		m.Put(ref.Name, secret("old"))
		d := &database{password: "new", refusal: refusal("28P01")}
		begun := time.Now()
		err := pool(t, &m, d, hush.RetryPolicy{MaxWait: time.Second}).PingContext(t.Context())
		assert.Equal(t, hush.ErrRejected, hush.ClassOf(err))
		var found refusal
		assert.ErrorAs(t, err, &found, "the error of the database is wrapped")
		assert.Equal(t, time.Second, time.Since(begun))
		assert.Len(t, d.logins, 1)
		assert.NotContains(t, err.Error(), "old")
	})
}

func TestConnectDoesNotRetryOtherErrors(t *testing.T) {
	refused := errors.New("connection refused")
	for name, tc := range map[string]struct {
		secret string
		is     error
		text   string
	}{
		"no connection":    {secret: string(secret("canary")), is: refused},
		"another SQLSTATE": {secret: string(secret("canary")), is: refusal("53300")},
		"invalid JSON":     {secret: "canary", text: "invalid JSON"},
		"no username":      {secret: `{"password":"canary"}`, text: "no username"},
		"no password":      {secret: `{"username":"app","passwort":"canary"}`, text: "no username or no password"},
		"a port as a name": {secret: `{"username":"app","password":"canary","port":"canary"}`, text: "decode"},
		"no secret at all": {is: hush.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m providertest.Map
				if tc.secret != "" {
					m.Put(ref.Name, []byte(tc.secret))
				}
				d := &database{refusal: tc.is}
				begun := time.Now()
				err := pool(t, &m, d, hush.RetryPolicy{}).PingContext(t.Context())
				require.Error(t, err)
				if tc.is != nil {
					assert.ErrorIs(t, err, tc.is)
				}
				assert.ErrorContains(t, err, tc.text)
				assert.NotContains(t, err.Error(), "canary")
				assert.Zero(t, time.Since(begun))
			})
		})
	}
}
