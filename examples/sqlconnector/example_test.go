package sqlconnector_test

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/examples/sqlconnector"
)

// With a real driver, Open has five lines. For github.com/jackc/pgx/v5, parse a
// *pgx.ConnConfig once, here called base:
//
//	func open(ctx context.Context, login sqlconnector.Login) (driver.Conn, error) {
//		config := base.Copy()
//		config.User, config.Password = login.Username, login.Password.Reveal()
//		config.RuntimeParams["application_name"] = login.Version
//		return stdlib.GetConnector(*config).Connect(ctx)
//	}
//
// Pass stdlib.GetDefaultDriver() as d.
func Example() {
	store := hush.Static(map[string]string{
		"prod/orders/db": `{"username":"app","password":"hunter2","host":"127.0.0.1","port":5432,"dbname":"orders"}`,
	})
	secrets := cachettl.New(store, 5*time.Minute, nil)
	defer secrets.Close()

	d := &database{password: "hunter2"}
	db := sql.OpenDB(sqlconnector.New(secrets, hush.Name("prod/orders/db"), d, d.open, hush.RetryPolicy{}))
	defer db.Close()
	fmt.Println(db.PingContext(context.Background()))
	// Output: <nil>
}
