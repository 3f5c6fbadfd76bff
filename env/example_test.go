package env_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/env"
)

func Example() {
	_ = os.Setenv("APP_DB_PROD", `{"user":"orders","password":"hunter2"}`)
	secrets := env.New(&env.Options{Prefix: "APP_"})

	user, err := hush.Get(context.Background(), secrets, "db/prod#user")
	fmt.Println(user.Value.Reveal(), err)

	_, err = hush.Get(context.Background(), secrets, "db/test")
	fmt.Println(err)
	fmt.Println(errors.Is(err, hush.ErrNotFound))
	// Output:
	// orders <nil>
	// env: "db/test": not found: the variable "APP_DB_TEST" is not set
	// true
}
