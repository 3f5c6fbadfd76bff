package vaulttest_test

import (
	"context"
	"fmt"

	"github.com/hush-secrets/hush/vault/vaulttest"
)

func Example() {
	server, err := vaulttest.Start(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	server.Put("secret", "db/prod", map[string]any{"password": "hunter2"})
	client := server.Client()

	restore := server.Throttle(0, 0)
	_, err = client.KVv2("secret").Get(context.Background(), "db/prod")
	fmt.Println(err != nil)
	restore()

	got, err := client.KVv2("secret").Get(context.Background(), "db/prod")
	fmt.Println(err == nil && got.Data["password"] == "hunter2")
	fmt.Println(server.Calls(vaulttest.Call{Operation: vaulttest.Read, Path: "secret/data/db/prod"}), "reads")
	// Output:
	// true
	// true
	// 2 reads
}
