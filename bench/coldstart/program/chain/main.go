// Command chain reads a secret with a chain of the extension and Secrets Manager.
package main

import (
	"os"

	"github.com/hush-secrets/hush/bench/coldstart/program"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/direct/awsdirect"
	"github.com/hush-secrets/hush/extension"
)

func main() {
	os.Exit(program.Run(func() (string, error) {
		return program.Get(chain.New([]chain.Link{
			{Name: "extension", Provider: extension.New(nil), Front: true},
			{Name: "direct", Provider: awsdirect.New(nil)},
		}, nil))
	}))
}
