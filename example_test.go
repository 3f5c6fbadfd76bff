package hush_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/hush-secrets/hush"
)

// A program depends on a Provider and on names. main decides which store it is.
func Example() {
	ctx := context.Background()
	var secrets hush.Provider = hush.Static(map[string]string{
		"db/prod": `{"user":"orders","password":"hunter2"}`,
	})

	user, err := hush.Get(ctx, secrets, "db/prod#user")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("user:", user.Value.Reveal())

	_, err = hush.Get(ctx, secrets, "db/test#user")
	fmt.Println(err)
	fmt.Println(errors.Is(err, hush.ErrNotFound))
	// Output:
	// user: orders
	// static: "db/test#user": not found
	// true
}

func ExampleValue() {
	password := hush.NewValue([]byte("hunter2"))
	fmt.Printf("postgres://orders:%s@db/orders\n", password)
	fmt.Printf("%d bytes: %q\n", password.Len(), password.Reveal())
	// Output:
	// postgres://orders:[redacted hush.Value: call Reveal]@db/orders
	// 7 bytes: "hunter2"
}

func ExampleSecret_Field() {
	secret := hush.Secret{Value: hush.NewValue([]byte(`{"port":5432,"hosts":["a","b"]}`)), Source: "example"}

	port, _ := secret.Field("port")
	second, _ := secret.Field("/hosts/1")
	_, err := secret.Field("password")
	fmt.Println(port.Value.Reveal(), second.Value.Reveal())
	fmt.Println(err)
	// Output:
	// 5432 b
	// example: "#password": not found: no field "password"
}

func ExampleSecret_Decode() {
	secret := hush.Secret{Value: hush.NewValue([]byte(`{"user":"orders","password":"hunter2","port":5432}`))}

	var db struct {
		User     string
		Password hush.Value // prints as a mask wherever db is printed
		Port     int
	}
	err := secret.Decode(&db)
	fmt.Println(db, err)
	// Output: {orders [redacted hush.Value: call Reveal] 5432} <nil>
}

func ExampleParseRef() {
	ref, _ := hush.ParseRef("db/prod?stage=AWSPREVIOUS#password")
	fmt.Printf("%q %q %q\n", ref.Name, ref.Stage, ref.Field)

	// Name does not parse an untrusted name, so the name selects no version or field.
	fmt.Println(hush.Name("db?version=1#x"))

	_, err := hush.ParseRef("db/prod?versionStage=AWSPREVIOUS")
	fmt.Println(err)
	// Output:
	// "db/prod" "AWSPREVIOUS" "password"
	// db%3Fversion=1%23x
	// invalid reference: "db/prod?versionStage=AWSPREVIOUS": unknown key "versionStage"; a reference takes version and stage
}

// A Provider may wrap a Class in an error of its own.
func ExampleClassOf() {
	secrets := hush.ProviderFunc(func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		return hush.Secret{}, fmt.Errorf("keyring is locked: %w", hush.ErrUnauthenticated)
	})
	_, err := secrets.Get(context.Background(), hush.Name("db"))
	switch hush.ClassOf(err) {
	case hush.ErrNotFound:
		fmt.Println("use a default")
	case hush.ErrUnauthenticated, hush.ErrDenied:
		fmt.Println("ask an operator:", err)
	default:
		fmt.Println("try again later:", err)
	}
	// Output: ask an operator: keyring is locked: unauthenticated
}
