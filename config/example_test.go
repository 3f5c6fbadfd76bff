package config_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/extension"
)

// The program reads from the Lambda extension or from the environment. It links neither
// the AWS SDK nor the Vault client.
func ExampleOpenEnv() {
	os.Setenv("HUSH_PROVIDERS", "extension env:?prefix=APP_")
	os.Setenv("APP_ORDERS_DB", `{"username":"app","password":"hunter2"}`)
	defer os.Unsetenv("HUSH_PROVIDERS")

	ctx := context.Background()
	secrets, err := config.OpenEnv(ctx, extension.Scheme(), env.Scheme())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer secrets.Close()
	secret, err := hush.Get(ctx, secrets, "orders/db#username")
	fmt.Println(secret.Value.Reveal(), secret.Source, err)
	// Output: app env <nil>
}

// The program sets the configuration in code.
func ExampleOpen() {
	os.Setenv("ORDERS_DB", "hunter2")
	ctx := context.Background()
	secrets, err := config.Open(ctx, &config.Config{
		Providers: []config.Store{{URL: "extension", Timeout: time.Second}, {URL: "env"}},
		Names:     map[string]map[string]string{"db": {"env": "ORDERS_DB"}},
		CacheTTL:  time.Minute,
	}, extension.Scheme(), env.Scheme())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer secrets.Close()
	secret, err := secrets.Get(ctx, hush.Name("db"))
	fmt.Println(secret.Value, secret.Source, err)
	// Output: [redacted hush.Value: call Reveal] env <nil>
}

// A program can define a scheme with a name and a function.
func ExampleOpen_scheme() {
	memory := hush.Scheme{Name: "memory", Open: func(_ context.Context, u *url.URL) (hush.Provider, error) {
		return hush.Static(map[string]string{"db": u.Query().Get("db")}), nil
	}}
	ctx := context.Background()
	secrets, err := config.Open(ctx, &config.Config{Providers: []config.Store{{URL: "memory:?db=for-tests"}}}, memory, env.Scheme())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer secrets.Close()
	secret, err := secrets.Get(ctx, hush.Name("db"))
	fmt.Println(secret.Value.Reveal(), secret.Source, err)
	// Output: for-tests memory <nil>
}

// The error reports all mistakes, and suggests the correct word.
func ExampleOpen_mistakes() {
	_, err := config.Open(context.Background(), &config.Config{
		Providers: []config.Store{{URL: "evn"}, {URL: "extension:?endpont=http://127.0.0.1:2773"}},
		Policy:    "outage",
	}, extension.Scheme(), env.Scheme())
	fmt.Println(err)
	// Output:
	// config: policy: must be any or outages: did you mean "outages"?
	// config: provider 1: unknown scheme "evn": did you mean "env"? known: extension, env
	// config: provider 2: extension: unknown parameter "endpont": did you mean "endpoint"?; extension takes endpoint, timeout, ready_wait, dialect
}

// The program counts the calls of each store.
func ExampleFromEnv() {
	os.Setenv("HUSH_PROVIDERS", "extension env")
	os.Setenv("ORDERS_DB", "hunter2")
	defer os.Unsetenv("HUSH_PROVIDERS")

	cfg, err := config.FromEnv()
	if err != nil {
		fmt.Println(err)
		return
	}
	calls := map[string]int{}
	cfg.OnCall = func(_ context.Context, call chain.Call) { calls[call.Provider]++ }

	ctx := context.Background()
	secrets, err := config.Open(ctx, cfg, extension.Scheme(), env.Scheme())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer secrets.Close()
	_, err = secrets.Get(ctx, hush.Name("orders/db"))
	fmt.Println(calls, err)
	// Output: map[env:1 extension:1] <nil>
}
