package awsdirect_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct/awsdirect"
)

// The region and the credentials come from the AWS configuration.
func Example() {
	provider := awsdirect.New(nil)
	password, err := hush.Get(context.Background(), provider, "db/prod#password")
	switch {
	case errors.Is(err, hush.ErrAbsent):
		fmt.Println("nobody configured AWS here")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(password) // a mask
	}
}

// If an option is invalid, every Get fails without a request.
func ExampleNew_endpoint() {
	provider := awsdirect.New(&awsdirect.Options{Endpoint: "secrets.example.com"})
	_, err := provider.Get(context.Background(), hush.Name("db/prod"))
	fmt.Println(err)
	// Output: direct: "db/prod": unavailable: invalid endpoint: must be an http or https URL; use https://host
}
