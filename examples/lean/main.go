// Command lean is a program that may read its secrets from the Lambda extension and
// from the environment, and from nowhere else: what it does not pass to config, no
// configuration can choose, and the SDKs of AWS and Vault are not in its binary.
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

// run says where each of the named secrets would come from.
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
