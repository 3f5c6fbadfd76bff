package vaulttest_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

func Example() {
	server, err := vaulttest.Start(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	server.Put("secret", "db/prod", map[string]any{"password": "hunter2"})
	provider := vault.New(server.Client(), nil)
	ctx := context.Background()

	secret, err := hush.Get(ctx, provider, "db/prod#password")
	fmt.Println(secret.Value.Reveal(), err)

	restore := server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: http.StatusBadRequest})
	_, err = hush.Get(ctx, provider, "db/prod#password")
	fmt.Println("failed:", err != nil)
	restore()

	fmt.Println(server.Calls(vaulttest.Call{Path: "secret/data/db/prod"}), "reads")
	// Output:
	// hunter2 <nil>
	// failed: true
	// 2 reads
}
