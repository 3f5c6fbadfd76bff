package awsauth_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/awsauth"
)

// A Lambda function reads from Vault with its own role.
func Example() {
	client, err := api.NewClient(nil) // VAULT_ADDR and its kind
	if err != nil {
		fmt.Println(err)
		return
	}
	provider := vault.New(client, &vault.Options{
		Auth: awsauth.New(&awsauth.Options{Role: "orders", ServerID: "vault.example.com"}),
	})
	password, err := hush.Get(context.Background(), provider, "db/orders#password")
	switch {
	case errors.Is(err, hush.ErrAbsent):
		fmt.Println("nobody configured AWS here")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(password) // a mask
	}
}

// An invalid option fails each login, and no request is sent.
func ExampleNew() {
	method := awsauth.New(&awsauth.Options{Mount: "auth/aws"})
	_, err := method.Login(context.Background(), nil)
	fmt.Println(err)
	// Output: vault: unauthenticated: invalid auth mount: remove auth/, which hush adds
}
