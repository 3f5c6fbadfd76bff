package extension_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/extension"
)

// Outside Lambda, the program sets the endpoint and the token.
func Example() {
	store := hush.Static(map[string]string{"db/prod": `{"user":"app","password":"hunter2"}`})
	server := httptest.NewServer(agent.Handler(store, "a token", nil))
	defer server.Close()

	provider := extension.New(&extension.Options{
		Endpoint: server.URL,
		Token:    func(context.Context) (string, error) { return "a token", nil },
		Dialect:  extension.DialectAgent,
	})
	secret, err := hush.Get(context.Background(), provider, "db/prod#password")
	fmt.Println(secret.Source, secret.Value.Reveal(), err)
	_, err = hush.Get(context.Background(), provider, "db/none")
	fmt.Println(errors.Is(err, hush.ErrNotFound))
	// Output:
	// extension hunter2 <nil>
	// true
}
