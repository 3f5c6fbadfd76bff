// Command extension reads a secret with package extension alone.
package main

import (
	"os"

	"github.com/hush-secrets/hush/bench/coldstart/program"
	"github.com/hush-secrets/hush/extension"
)

func main() {
	os.Exit(program.Run(func() (string, error) { return program.Get(extension.New(nil)) }))
}
