// Command size measures by how much hush increases the size of a program. It builds the programs
// in its subfolders, stripped, and prints their sizes. It exits with 1 if hush adds more than 8 %
// to a program, or package vault more than 3 % to a program with Vault's client.
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

// comparisons compare a program with its floor.
var comparisons = []struct {
	floor, floorTitle, program, title string
	limit                             float64
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
	var errs []error
	for _, c := range comparisons {
		floor, err := build(ctx, dir, c.floor)
		if err != nil {
			return err
		}
		size, err := build(ctx, dir, c.program)
		if err != nil {
			return err
		}
		ratio := float64(size) / float64(floor)
		fmt.Fprintf(out, "%-37s %9d bytes\n", c.floorTitle, floor)
		fmt.Fprintf(out, "%-37s %9d bytes, %.3f times the floor (limit %.2f)\n", c.title, size, ratio, c.limit)
		if ratio > c.limit {
			errs = append(errs, fmt.Errorf("%s adds more than %.0f %%", c.program, (c.limit-1)*100))
		}
	}
	return errors.Join(errs...)
}

// build returns the size in bytes of a program, stripped as for a release.
func build(ctx context.Context, dir, name string) (int64, error) {
	file := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, root+name)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("build %s: %w", name, err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
