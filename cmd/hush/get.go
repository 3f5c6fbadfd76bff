package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/direct/awsdirect"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/extension"
)

const getHelp = `Prints the secret that REF names on the standard output, byte for byte, and
nothing else there; a newline is added only on a terminal.

REF is name[?version=ID&stage=LABEL][#field], or an ARN. A field is a top-level
member of a JSON secret, or an RFC 6901 pointer that begins with a slash. In a
name write ?, # and % as %3F, %23 and %25.

The stores are asked in order until one has the secret:
  extension:[?endpoint=URL&timeout=D]     AWS's Lambda extension or agent
  direct:[?region=R&role_arn=ARN]         AWS Secrets Manager
  env:[?prefix=P&files=true]              environment variables

` + exitHelp

type getOptions struct {
	providers []string
	timeout   time.Duration
	verbose   bool
}

func getCommand(stdout, stderr io.Writer) *cobra.Command {
	var o getOptions
	cmd := &cobra.Command{
		Use:     "get REF",
		Short:   "Print a secret",
		Long:    getHelp,
		Example: "  hush get db/prod#password\n  hush get --provider direct:?region=eu-west-1 db/prod",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return get(cmd.Context(), args[0], &o, stdout, stderr)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&o.providers, "provider", []string{"extension", "direct", "env"}, "a store to ask, as a URL; repeat it for several")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Second, "give up after this long")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "log each call of a store on the standard error")
	return cmd
}

func get(ctx context.Context, text string, o *getOptions, stdout, stderr io.Writer) error {
	if o.timeout <= 0 {
		return usageError{errors.New("--timeout takes a positive duration")}
	}
	ref, err := hush.ParseRef(text)
	if err != nil {
		return storeError{err}
	}
	links, err := openLinks(ctx, o.providers, []hush.Scheme{extension.Scheme(), awsdirect.Scheme(), env.Scheme()})
	if err != nil {
		return usageError{err}
	}
	var options chain.Options
	if o.verbose {
		options.OnCall = chain.SlogCalls(slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug})))
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	secret, err := chain.New(links, &options).Get(ctx, ref)
	if err != nil {
		return storeError{err}
	}
	text = secret.Value.Reveal()
	if terminal(stdout) {
		text += "\n"
	}
	if _, err := io.WriteString(stdout, text); err != nil {
		return fmt.Errorf("write the secret: %w", err)
	}
	return nil
}
