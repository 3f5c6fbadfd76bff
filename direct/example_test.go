package direct_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/directtest"
)

// The client would come from secretsmanager.NewFromConfig; this one is for a
// server of the test's own.
func Example() {
	server, err := directtest.Start(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	server.Put("db/prod", []byte(`{"user":"app","password":"hunter2"}`))

	provider := direct.New(server.Client(), nil)
	secret, err := hush.Get(context.Background(), provider, "db/prod#user")
	fmt.Println(secret.Value.Reveal(), err)

	_, err = hush.Get(context.Background(), provider, "db/staging")
	fmt.Println(errors.Is(err, hush.ErrNotFound))
	// Output:
	// app <nil>
	// true
}
