package vault_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

func ExampleNew() {
	server, err := vaulttest.Start(nil) // in a program, client is from NewClient
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	server.Put("secret", "db/prod", map[string]any{"username": "app", "password": "hunter2"})
	client := server.Client()

	secrets := vault.New(client, nil)
	password, err := hush.Get(context.Background(), secrets, "db/prod#password")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(password.Value.Len(), "characters of version", password.Version)

	_, err = hush.Get(context.Background(), secrets, "db/prod?version=2")
	fmt.Println(errors.Is(err, hush.ErrNotFound), err)
	// Output:
	// 7 characters of version 1
	// true vault: "db/prod?version=2": not found: no such secret, or version 2 was never written (status 404)
}

func ExampleNewReader() {
	server, err := vaulttest.Start(nil) // in a program, client is from NewClient
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	server.Mount("database", vaulttest.Database)
	server.LeaseRole("database", "app", &vaulttest.LeaseOptions{TTL: time.Hour})
	client := server.Client()

	secrets := vault.NewReader(client, &vault.ReaderOptions{Mounts: []string{"database"}, RevokeOnClose: true})
	for range 3 {
		user, err := hush.Get(context.Background(), secrets, "database/creds/app#username")
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("for", time.Until(user.Expires).Round(time.Hour))
	}
	fmt.Println(server.Counts().LeasesIssued, "user")
	if err := secrets.Close(); err != nil {
		fmt.Println(err)
	}
	fmt.Println(len(server.Leases()), "left")
	// Output:
	// for 1h0m0s
	// for 1h0m0s
	// for 1h0m0s
	// 1 user
	// 0 left
}
