package hush_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hush-secrets/hush"
)

// A rotatingStore returns a new password from the second read on, like a store behind an
// outdated cache.
func rotatingStore() hush.Provider {
	passwords := []string{"hunter2", "hunter3"}
	return hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) {
		password := passwords[0]
		passwords = passwords[len(passwords)-1:]
		return hush.Secret{Value: hush.NewValue([]byte(password))}, nil
	})
}

// Use connects again with the new password after the database rejected the old one.
func ExampleUse() {
	connect := func(password string) error {
		fmt.Println("connecting with", password)
		if password != "hunter3" {
			return fmt.Errorf("login: %w", hush.ErrRejected)
		}
		return nil
	}
	err := hush.Use(context.Background(), rotatingStore(), hush.Name("db/prod"), func(s hush.Secret) error {
		return connect(s.Value.Reveal())
	})
	fmt.Println(err)
	// Output:
	// connecting with hunter2
	// connecting with hunter3
	// <nil>
}

// Rejected recognizes the errors of a driver that mean a rejected secret. MaxWait fits
// into the deadline of a request.
func ExampleRetryPolicy() {
	errAuth := errors.New("WRONGPASS invalid username-password pair")
	rotation := hush.RetryPolicy{
		MaxWait:  100 * time.Millisecond,
		Stages:   []string{"AWSPENDING"},
		Rejected: func(err error) bool { return errors.Is(err, errAuth) },
	}
	store := hush.Static(map[string]string{"cache/prod": "hunter2"})
	err := rotation.Use(context.Background(), store, hush.Name("cache/prod"), func(hush.Secret) error { return errAuth })
	fmt.Println(err)
	fmt.Println(errors.Is(err, hush.ErrRejected), errors.Is(err, errAuth))
	// Output:
	// "cache/prod": rejected: WRONGPASS invalid username-password pair; no other secret was available within 100ms
	// true true
}

// A pgError is like the errors of PostgreSQL drivers such as pgx.
type pgError struct{ code string }

func (e *pgError) Error() string {
	return "FATAL: password authentication failed (SQLSTATE " + e.code + ")"
}
func (e *pgError) SQLState() string { return e.code }

func ExampleRejectedSQL() {
	open := func(password string) error {
		if password != "hunter3" {
			return &pgError{"28P01"}
		}
		return nil
	}
	err := hush.Use(context.Background(), rotatingStore(), hush.Name("db/prod"), func(s hush.Secret) error {
		return hush.RejectedSQL(open(s.Value.Reveal()))
	})
	fmt.Println(err)
	fmt.Println(hush.RejectedSQL(&pgError{"28P01"}))
	fmt.Println(hush.RejectedSQL(&pgError{"57P03"}))
	// Output:
	// <nil>
	// rejected: FATAL: password authentication failed (SQLSTATE 28P01)
	// FATAL: password authentication failed (SQLSTATE 57P03)
}

func ExampleGetAll() {
	store := hush.Static(map[string]string{"db/prod": `{"user":"orders","password":"hunter2"}`, "api/key": "k-1"})
	results := hush.GetAll(context.Background(), store,
		hush.Ref{Name: "db/prod", Field: "user"},
		hush.Ref{Name: "db/prod", Field: "password"}, // of the same version as the user
		hush.Name("api/key"),
		hush.Name("api/old"),
	)
	for _, r := range results {
		fmt.Printf("%q %v\n", r.Secret.Value.Reveal(), r.Err)
	}
	fmt.Println(hush.Errors(results))
	// Output:
	// "orders" <nil>
	// "hunter2" <nil>
	// "k-1" <nil>
	// "" static: "api/old": not found
	// static: "api/old": not found
}

func ExampleLoad() {
	store := hush.Static(map[string]string{"db/prod": `{"user":"orders","password":"hunter2","port":5432}`})
	cfg := struct {
		User     string     `secret:"db/prod#user"`
		Password hush.Value `secret:"db/prod#password"`
		Port     uint16     `secret:"db/prod#port"`
		Key      string     `secret:"api/key,optional"`
	}{Key: "none"}
	err := hush.Load(context.Background(), store, &cfg)
	fmt.Println(cfg, err)

	var wrong struct {
		Port int `secret:"db/prod#password"`
	}
	fmt.Println(hush.Load(context.Background(), store, &wrong))
	// Output:
	// {orders [redacted hush.Value: call Reveal] 5432 none} <nil>
	// load: field Port ("db/prod#password"): static: invalid value: not a valid int
}
