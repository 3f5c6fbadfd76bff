package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/hush-secrets/hush/config/all"
	"github.com/hush-secrets/hush/internal/doctor"
)

const doctorHelp = `Query each store and report what to do about failures.

  hush doctor
  hush doctor --json db/prod#password

For each configured store, hush reports whether it can be reached, whether it accepts
the credential, how long it takes to respond, what it returns, and what the chain of the
stores does with that. hush also reports the platform on which it runs.

With REF, hush requests that secret and does not print it. Without REF, it requests
"hush/probe", which no store needs to have. "not found" is then a healthy result, and so
is "denied": a policy that restricts names says nothing about other secrets.

The chain does one of these with a result:
  return     the chain returns this secret
  next       the chain queries the next store
  fallback   the chain queries the next store and marks its secret as a fallback
  front      the chain queries the store behind this front, whose result decides
  stop       the chain returns this failure
  end        there is no next store

`

const doctorExitHelp = `

Exit status:
    0  the stores return REF or, without REF, every store works; a store that is absent,
       such as the Lambda extension on a laptop, is fine if another store works
    1  the stores together work, but one of them failed
` + classHelp

type doctorOptions struct {
	source  source
	tries   int
	timeout time.Duration
	json    bool
}

func doctorCommand(stdout io.Writer) *cobra.Command {
	var opts doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor [REF]",
		Short: "Query each store and report what to do about failures",
		Long:  doctorHelp + sourceHelp + doctorExitHelp,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return opts.run(cmd.Context(), args, stdout)
		},
	}
	flags := cmd.Flags()
	opts.source.addFlags(flags)
	flags.IntVar(&opts.tries, "tries", 5, "number of requests to each store, 1 to 100; a slow or throttling store gets fewer")
	flags.DurationVar(&opts.timeout, "timeout", 5*time.Second, "time limit for one request, unless the store has its own")
	flags.BoolVar(&opts.json, "json", false, "print JSON")
	return cmd
}

func (o *doctorOptions) run(ctx context.Context, args []string, stdout io.Writer) error {
	if o.tries < 1 || o.tries > 100 || o.timeout <= 0 {
		return usageError(errors.New("--tries must be from 1 to 100, and --timeout must be positive"))
	}
	opts := doctor.Options{Tries: o.tries, Timeout: o.timeout}
	if len(args) > 0 {
		ref, err := parseRef(args[0])
		if err != nil {
			return storeError(err)
		}
		opts.Ref = ref
	}
	cfg, err := o.source.read([]string{"extension", "direct", "env"}, "HUSH_VERIFY=false") // doctor itself queries the stores
	if err != nil {
		return err
	}
	p, err := o.source.open(ctx, cfg, all.Schemes())
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }() // the process ends anyway
	e, err := doctor.Examine(ctx, p.Stores(), opts)
	if err != nil {
		return err
	}
	class, verdict := e.Verdict()
	if class != 0 {
		verdict = exitError{verdict, classCodes[class]}
	}
	if o.json {
		err = e.WriteJSON(stdout, exitCode(verdict))
	} else {
		err = e.WriteTable(stdout)
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return verdict
}
