// Command size measures what hush adds to a program. It builds the two commands
// below it, stripped, prints how large they are, and exits with 1 if the one with
// hush is more than 8 % larger.
//
//	go run ./internal/size
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	root  = "github.com/hush-secrets/hush/internal/size/"
	limit = 1.08
)

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
	floor, err := build(ctx, dir, "floor")
	if err != nil {
		return err
	}
	hush, err := build(ctx, dir, "hush")
	if err != nil {
		return err
	}
	ratio := float64(hush) / float64(floor)
	fmt.Fprintf(out, "net/http, encoding/json, zap          %9d bytes\n", floor)
	fmt.Fprintf(out, "hush: cachettl, chain, extension, env %9d bytes, %.3f times that (limit %.2f)\n", hush, ratio, limit)
	if ratio > limit {
		return fmt.Errorf("hush adds more than %.0f %%", (limit-1)*100)
	}
	return nil
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
