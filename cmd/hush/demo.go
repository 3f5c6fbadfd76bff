package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/hush-secrets/hush/cmd/hush/internal/demo"
)

const demoHelp = `Starts a Secrets Manager with injected latency, an extension in front of it and a
program with the chain extension, direct, env behind a cache, all over loopback
sockets of this machine, and shows what a read costs from each, what happens when
the extension stops and when the program leaves Lambda, and who sees a rotation
when.

It contacts nobody else and needs no credentials. The exit status is 0 only if
every step did what it says.`

func demoCommand(stdout io.Writer) *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show what each store costs, and what failures look like",
		Long:  demoHelp,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Color = terminal(stdout) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
			return demo.Run(cmd.Context(), stdout, o)
		},
	}
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print data instead of a table")
	return cmd
}
