// Command sign signs its arguments with a secret from any store. The same binary reads
// from the Lambda extension, Secrets Manager, Vault or the environment:
//
//	HUSH_PROVIDERS="extension direct"                              in Lambda
//	HUSH_PROVIDERS="vault://vault.internal/apps?auth=kubernetes&role=orders"
//	HUSH_PROVIDERS="vault env"                                     on a laptop
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/config/all"
)

func main() {
	if err := run(context.Background(), os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sign:", err)
		os.Exit(1)
	}
}

// run prints one line for each message, with its signature and the source of the key.
func run(ctx context.Context, out io.Writer, messages []string) error {
	secrets, err := config.OpenEnv(ctx, all.Schemes()...)
	if err != nil {
		return err
	}
	defer func() { _ = secrets.Close() }()
	for _, message := range messages {
		// Get the key for each message to follow a rotation. The cache makes this cheap.
		secret, err := hush.Get(ctx, secrets, "orders/signing#key")
		if err != nil {
			return err
		}
		mac := hmac.New(sha256.New, secret.Value.RevealBytes())
		mac.Write([]byte(message))
		fmt.Fprintf(out, "%x %s\n", mac.Sum(nil), secret.Source)
	}
	return nil
}
