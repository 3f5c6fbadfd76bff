package hushviper_test

import (
	"context"
	"fmt"

	"github.com/spf13/viper"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/adapters/hushviper"
)

// The file has a reference to the password. The type of the field makes it a secret.
func Example() {
	secrets := hush.Static(map[string]string{
		"prod/orders/db": `{"username":"orders","password":"hunter2"}`,
		"prod/stripe":    "sk_test_1",
	})

	v := viper.New()
	v.SetConfigFile("testdata/orders.yaml")
	if err := v.ReadInConfig(); err != nil {
		fmt.Println(err)
		return
	}
	var cfg struct {
		DB struct {
			Host, User string
			Password   hush.Value
		}
		Stripe hush.Value
	}
	if err := v.Unmarshal(&cfg, hushviper.Resolve(context.Background(), secrets)); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cfg.DB)
	fmt.Println(cfg.DB.Password.Reveal(), v.Get("db.password"))
	// Output:
	// {db.internal orders [redacted hush.Value: call Reveal]}
	// hunter2 hush://prod/orders/db#password
}

// The error reports all missing secrets.
func Example_missing() {
	v := viper.New()
	v.SetConfigFile("testdata/orders.yaml")
	if err := v.ReadInConfig(); err != nil {
		fmt.Println(err)
		return
	}
	var cfg struct {
		DB     struct{ Password hush.Value }
		Stripe hush.Value
	}
	err := v.Unmarshal(&cfg, hushviper.Resolve(context.Background(), hush.Static(nil)))
	fmt.Println(err)
	// Output:
	// decoding failed due to the following error(s):
	//
	// '' not found: static: "prod/orders/db#password": not found
	// static: "prod/stripe": not found
}
