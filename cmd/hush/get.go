package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hush-secrets/hush"
)

const getHelp = `Print secrets to standard output.

  hush get db/prod#password
  hush get --provider direct:?region=eu-west-1 --stage AWSPREVIOUS db/prod
  eval "$(hush get --format shell DB_PASSWORD=db/prod#password API_KEY=api)"

REF is name[?version=ID&stage=LABEL][#field], or an ARN: see 'hush help reference'. If
secrets are missing, hush names all of them and prints nothing to standard output.

--format raw takes one REF and prints its bytes. On a terminal, hush adds a line break
and a warning. The other formats print one line for each secret and take NAME=REF:

    json   an object of strings; without NAME, the key is the REF as given
    shell  export NAME='value', for eval
    env    NAME=value, quoted if necessary, for the shell's . command; docker's
           --env-file does not remove quotes, so use hush exec with docker

For shell and env, a secret without NAME becomes the variable whose name is the REF in
capitals: db/prod#user becomes DB_PROD_USER. If the secret is a JSON object, each of its
members becomes a variable. The author of the secret chooses these names, so that
--var-prefix is required.

--var-prefix P precedes the name of every variable without NAME: with --var-prefix DB_,
the member user becomes DB_user. --var-prefix '' lets the members set any variable.

Values are quoted for POSIX shells. The variables that 'hush help exec' lists, zero
bytes and, for env, line breaks are errors.

` + sourceHelp + `

A store with revoke=true does not revoke leases after a successful get or exec, because
the secrets are in use. The leases expire.

Exit status:
    0  the secrets were printed
    1  the secrets could not be written, or the format cannot represent them
` + classHelp

const prefixFlag = "var-prefix"

type getOptions struct {
	fetcher
	format, prefix, field, version, stage string
}

func getCommand(stdout, stderr io.Writer) *cobra.Command {
	var opts getOptions
	cmd := &cobra.Command{
		Use:               "get REF...",
		Short:             "Print secrets",
		Long:              getHelp,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return opts.run(cmd.Context(), args, stdout, stderr)
		},
	}
	flags := cmd.Flags()
	opts.addFlags(flags)
	flags.StringVar(&opts.format, "format", formatRaw, strings.Join(formats, ", "))
	flags.StringVar(&opts.prefix, prefixFlag, "", "`prefix` of variables without a NAME; JSON members require it")
	flags.StringVar(&opts.field, "field", "", "print this member of each secret, which is JSON")
	flags.StringVar(&opts.version, "version", "", "print this version of each secret")
	flags.StringVar(&opts.stage, "stage", "", "print the version of each secret that has this label")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return cmd
}

func (o *getOptions) run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	requests, err := o.parseRequests(args)
	if err != nil {
		return err
	}
	refs := make([]hush.Ref, len(requests))
	for i, r := range requests {
		refs[i] = r.ref
	}
	secrets, _, err := o.fetch(ctx, refs, func(_ int, err error) string { return explain(err) })
	if err != nil {
		return err
	}
	out := secrets[0].Value.RevealBytes()
	if o.format != formatRaw {
		if out, err = o.formatter().render(requests, secrets); err != nil {
			return err
		}
	}
	if isTerminal(stdout) {
		if o.format == formatRaw {
			out = append(out, '\n')
		}
		_, _ = fmt.Fprintln(stderr, "hush: this terminal now shows a secret and may keep it in its history")
	}
	if _, err := stdout.Write(out); err != nil {
		return fmt.Errorf("write the secrets: %w", err)
	}
	return nil
}

// A request is an argument of get.
type request struct {
	text string // the argument
	name string // NAME of NAME=REF; empty if there is none
	ref  hush.Ref
}

// parseRequests parses the arguments. The error reports all mistakes of a kind.
func (o *getOptions) parseRequests(args []string) ([]request, error) {
	if err := o.check(len(args)); err != nil {
		return nil, usageError(err)
	}
	requests := make([]request, len(args))
	results := make([]hush.Result, len(args))
	var conflicts []error
	for i, text := range args {
		r := request{text: text}
		if name, ref, ok := strings.Cut(text, "="); ok && o.format != formatRaw && isIdentifier(name) {
			r.name, text = name, ref
		}
		r.ref, results[i].Err = parseRef(text)
		if err := o.narrow(&r.ref); err != nil {
			conflicts = append(conflicts, fmt.Errorf("%q: %w", r.text, err))
		}
		requests[i] = r
	}
	if err := joinFailures(results, func(_ int, err error) string { return err.Error() }); err != nil {
		return nil, err
	}
	if err := errors.Join(conflicts...); err != nil {
		return nil, usageError(err)
	}
	return requests, nil
}

// check returns an error if the flags do not fit the number of arguments or each other.
func (o *getOptions) check(args int) error {
	switch prefix := o.formatter().prefix; {
	case !slices.Contains(formats, o.format):
		return fmt.Errorf("--format must be %s", strings.Join(formats, ", "))
	case o.format == formatRaw && args > 1:
		return errors.New("--format raw prints one secret: use --format json, env or shell for several")
	case prefix == nil:
		return nil
	case o.format != formatShell && o.format != formatEnv:
		return fmt.Errorf("--%s applies only to --format %s and %s", prefixFlag, formatEnv, formatShell)
	case *prefix != "" && !isIdentifier(*prefix):
		return fmt.Errorf("--%s %.80q: use letters, digits and underscores, and do not begin with a digit", prefixFlag, *prefix)
	}
	return nil
}

func (o *getOptions) formatter() formatter {
	if o.flags.Changed(prefixFlag) {
		return formatter{o.format, &o.prefix}
	}
	return formatter{format: o.format}
}

// narrow adds the parts of the flags to ref.
func (o *getOptions) narrow(ref *hush.Ref) error {
	for _, f := range []struct {
		flag, value string
		part        *string
	}{{"field", o.field, &ref.Field}, {"version", o.version, &ref.Version}, {"stage", o.stage, &ref.Stage}} {
		switch {
		case !o.flags.Changed(f.flag):
		case f.value == "":
			return fmt.Errorf("--%s is empty", f.flag)
		case *f.part != "":
			return fmt.Errorf("the reference already has a %s: remove it or --%s", f.flag, f.flag)
		default:
			*f.part = f.value
		}
	}
	return nil
}
