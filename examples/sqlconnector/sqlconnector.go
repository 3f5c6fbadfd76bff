// Package sqlconnector is an example to copy: database/sql logs in with the secret
// that is current, and goes on through a rotation of it.
//
// A password is read for each new connection and not for the life of the pool. A
// login that the database refuses waits for the next version of the secret, as
// [hush.Use] does, and the query that needed the connection knows nothing of it.
// Connections that are open already are left alone: the database asks for the
// password once, when a connection is made.
//
// Put a cache in front of the store, or every new connection reads from it. The
// package imports no driver; its Example has what one needs.
package sqlconnector

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hush-secrets/hush"
)

// A Login is what the secret of a database holds, by the names that RDS and its
// rotation functions give it.
type Login struct {
	Username string      `json:"username"`
	Password hush.Value  `json:"password"`
	Host     string      `json:"host"`
	Port     json.Number `json:"port"` // a JSON number or a string with one
	Database string      `json:"dbname"`

	// Version is the store's name for the version that the rest is from. As the
	// application_name of a connection it shows in the database who still uses
	// what.
	Version string `json:"-"`
}

// An Open makes one connection. It reveals the password to its driver and to
// nobody else.
type Open func(context.Context, Login) (driver.Conn, error)

// A Connector makes connections for sql.OpenDB.
type Connector struct {
	secrets  hush.Provider
	ref      hush.Ref
	driver   driver.Driver
	open     Open
	rotation hush.RetryPolicy
}

var _ driver.Connector = (*Connector)(nil)

// New returns a Connector that reads ref from secrets for each connection. d is
// what [database/sql.DB.Driver] returns, and is not used otherwise.
//
// That the database refused a login, so that another secret may help, is seen by
// the SQLSTATEs 28P01 and 28000, which the errors of PostgreSQL's drivers have; for
// another database r.Rejected says it. The zero RetryPolicy serves for the rest.
func New(secrets hush.Provider, ref hush.Ref, d driver.Driver, open Open, r hush.RetryPolicy) *Connector {
	return &Connector{secrets: secrets, ref: ref, driver: d, open: open, rotation: r}
}

// Driver returns the driver that New was given.
func (c *Connector) Driver() driver.Driver { return c.driver }

// Connect makes a connection with the current secret, or with one that comes after
// it if the database refuses that. Its error is that of the store where there was
// no secret, and Open's where there was no connection: as it is, or below
// hush.ErrRejected if no other secret came in time.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	var conn driver.Conn
	err := c.rotation.Use(ctx, c.secrets, c.ref, func(s hush.Secret) error {
		login, err := parse(s)
		if err != nil {
			return fmt.Errorf("sqlconnector: %q: %w", c.ref, err)
		}
		conn, err = c.open(ctx, login)
		return hush.RejectedSQL(err)
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

func parse(s hush.Secret) (Login, error) {
	login := Login{Version: s.Version}
	if err := s.Decode(&login); err != nil {
		return Login{}, err
	}
	if login.Username == "" || login.Password.Len() == 0 {
		return Login{}, errors.New("no username or no password in it")
	}
	return login, nil
}
