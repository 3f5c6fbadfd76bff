// Command lean reads secrets from the Lambda extension or from the environment. It passes
// only these two schemes to config, so no configuration can choose another store, and
// its binary has neither the AWS SDK nor the Vault client.
//
//	HUSH_PROVIDERS="extension env:?prefix=APP_" go run ./examples/lean db
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/extension"
)

func main() {
	if err := run(context.Background(), os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lean:", err)
		os.Exit(1)
	}
}

// run prints the size and the source of each secret.
func run(ctx context.Context, out io.Writer, refs []string) error {
	secrets, err := config.OpenEnv(ctx, extension.Scheme(), env.Scheme())
	if err != nil {
		return err
	}
	defer func() { _ = secrets.Close() }()
	for _, ref := range refs {
		secret, err := hush.Get(ctx, secrets, ref)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %d bytes from %s\n", ref, secret.Value.Len(), secret.Source)
	}
	return nil
}
