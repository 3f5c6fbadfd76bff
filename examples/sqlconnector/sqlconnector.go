// Package sqlconnector is an example to copy: a connector for database/sql that keeps
// working through a rotation of the password.
//
// The connector reads the password for each new connection. If the database refuses the
// login, the connector waits for the next version of the secret, as [hush.Use] does, and
// the query continues with it. Open connections stay open, because a database checks the
// password only at login.
//
// Put a cache in front of the store. Without a cache, each new connection reads from the
// store. The package imports no driver. The example shows the code for one.
package sqlconnector

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hush-secrets/hush"
)

// A Login is the secret of a database, in the format of RDS and its rotation functions.
type Login struct {
	Username string      `json:"username"`
	Password hush.Value  `json:"password"`
	Host     string      `json:"host"`
	Port     json.Number `json:"port"` // a JSON number or a string with one
	Database string      `json:"dbname"`

	// Version is the version of the secret. Set it as the application_name of the
	// connection to see in the database which version each client uses.
	Version string `json:"-"`
}

// Open opens one connection. It reveals the password only to the driver.
type Open func(context.Context, Login) (driver.Conn, error)

// A Connector opens connections for sql.OpenDB.
type Connector struct {
	secrets hush.Provider
	ref     hush.Ref
	driver  driver.Driver
	open    Open
	retry   hush.RetryPolicy
}

var _ driver.Connector = (*Connector)(nil)

// New returns a Connector that reads ref from secrets for each connection. d is the
// result of [database/sql.DB.Driver] and has no other use.
//
// A refused login has SQLSTATE 28P01 or 28000, as the drivers of PostgreSQL report it. For
// another database, set retry.Rejected. The zero RetryPolicy has the defaults.
func New(secrets hush.Provider, ref hush.Ref, d driver.Driver, open Open, retry hush.RetryPolicy) *Connector {
	return &Connector{secrets: secrets, ref: ref, driver: d, open: open, retry: retry}
}

// Driver returns the driver that was passed to New.
func (c *Connector) Driver() driver.Driver { return c.driver }

// Connect opens a connection with the current secret. If the database refuses the login,
// Connect waits for another secret and retries. It returns the error of the store, or
// the error of Open. If no other secret came in time, the error of Open is wrapped in
// hush.ErrRejected.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	var conn driver.Conn
	err := c.retry.Use(ctx, c.secrets, c.ref, func(s hush.Secret) error {
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
		return Login{}, errors.New("no username or no password; the secret must have both")
	}
	return login, nil
}
