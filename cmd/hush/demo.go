package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/hush-secrets/hush/cmd/hush/internal/demo"
)

const demoHelp = `Show how long a read takes from each store, and what happens when a store fails.

  hush demo
  hush demo --json

The demo starts a Secrets Manager with injected latency, a Lambda extension, and a
program with the chain extension, direct, env and a cache. All of them run on loopback
sockets of this machine. The demo then stops the extension, moves the program out of
Lambda, and rotates the secret.

The demo contacts no other server and needs no credentials. Its exit status is 0 only if
every step has the expected result.`

func demoCommand(stdout io.Writer) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the latency of each store and the effect of failures",
		Long:  demoHelp,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Run(cmd.Context(), stdout, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
