package hushkoanf_test

import (
	"context"
	"fmt"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/adapters/hushkoanf"
)

// Secrets override the values of a file.
func Example() {
	secrets := hush.Static(map[string]string{
		"prod/orders/db": `{"username":"orders","password":"hunter2"}`,
		"prod/stripe":    "sk_test_1",
	})

	k := koanf.New(".")
	if err := k.Load(file.Provider("testdata/orders.yaml"), yaml.Parser()); err != nil {
		fmt.Println(err)
		return
	}
	err := k.Load(hushkoanf.Provider(context.Background(), secrets, map[string]string{
		"db.password": "prod/orders/db#password",
		"stripe.key":  "prod/stripe",
	}, "."), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(k.String("db.host"), k.String("db.password"), k.String("stripe.key"))
	// Output: db.internal hunter2 sk_test_1
}

// The error reports all missing secrets.
func Example_missing() {
	secrets := hush.Static(map[string]string{"prod/orders/db": `{"username":"orders"}`})
	err := koanf.New(".").Load(hushkoanf.Provider(context.Background(), secrets, map[string]string{
		"db.password": "prod/orders/db#password",
		"stripe.key":  "prod/stripe",
	}, "."), nil)
	fmt.Println(err)
	// Output:
	// not found: key "db.password": static: "prod/orders/db#password": not found: no field "password"
	// key "stripe.key": static: "prod/stripe": not found
}
