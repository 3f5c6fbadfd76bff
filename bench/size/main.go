// Command size measures what hush adds to a program. It builds the commands below
// it, stripped, prints how large they are, and exits with 1 if hush adds more than
// 8 % to a program, or package vault more than 3 % to one with Vault's client.
//
//	go -C bench run ./size
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

const root = "github.com/hush-secrets/hush/bench/size/"

// comparisons are of a command with the one that it is measured against.
var comparisons = []struct {
	floor, what, command, with string
	limit                      float64
}{
	{"floor", "net/http, encoding/json, zap", "hush", "hush: cachettl, chain, extension, env", 1.08},
	{"vaultfloor", "the same and hashicorp/vault/api", "vault", "the same and hush/vault", 1.03},
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "size:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "hush-size-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var faults []error
	for _, c := range comparisons {
		floor, err := build(ctx, dir, c.floor)
		if err != nil {
			return err
		}
		size, err := build(ctx, dir, c.command)
		if err != nil {
			return err
		}
		ratio := float64(size) / float64(floor)
		fmt.Fprintf(out, "%-37s %9d bytes\n", c.what, floor)
		fmt.Fprintf(out, "%-37s %9d bytes, %.3f times that (limit %.2f)\n", c.with, size, ratio, c.limit)
		if ratio > c.limit {
			faults = append(faults, fmt.Errorf("%s adds more than %.0f %%", c.command, (c.limit-1)*100))
		}
	}
	return errors.Join(faults...)
}

// build returns the size in bytes of the command of that name, stripped as for
// release.
func build(ctx context.Context, dir, name string) (int64, error) {
	file := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, root+name)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("building %s: %w", name, err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
