package awsdirect_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct/awsdirect"
)

// Region and credentials come from where every AWS tool looks for them.
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

// An option that cannot work is the answer of every Get, without a call.
func ExampleNew_endpoint() {
	provider := awsdirect.New(&awsdirect.Options{Endpoint: "http://secrets.example.com"})
	_, err := provider.Get(context.Background(), hush.Name("db/prod"))
	fmt.Println(err)
	// Output: direct: "db/prod": unavailable: the endpoint is http and not on loopback: secrets travel by https
}
