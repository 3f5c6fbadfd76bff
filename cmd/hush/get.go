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

const getHelp = `Prints secrets on the standard output, and nothing else there.

REF is name[?version=ID&stage=LABEL][#field], or an ARN; see 'hush help reference'.
All the secrets that there are not are named at once, and then nothing is printed.

With --format raw there is one REF, and its bytes are printed as they are; a line
break is added only on a terminal, and a warning that it is one. The other formats
print one line for each secret, and take NAME=REF for REF:

    json   one object of strings; a name that is not given is the REF as written
    shell  export NAME='value', for eval "$(hush get --format shell ...)"
    env    NAME=value, in quotes if it has to be, for the shell's . command; docker's
           --env-file takes quotes for a part of the value, so use hush exec there

For shell and env, a secret without a NAME becomes the variable whose name is the REF
in capitals: db/prod#user becomes DB_PROD_USER. If the secret is a JSON object, each of
its members becomes a variable. The author of the secret chooses these names, so that
--var-prefix is required. The prefix goes before the name of every variable without a
NAME: with --var-prefix DB_, the member user becomes DB_user. --var-prefix '' confirms
that the members may set any variable.

The values are quoted for every POSIX shell. Names consist of letters, digits and
underscores. The names that 'hush help exec' lists, zero bytes and, for env, line
breaks are errors.

` + sourceHelp + `

A store that takes back on close what it has given out (revoke=true) does not do so
after a get or an exec that succeeds: what it gave is in use, and ends by itself.

Exit status:
    0  the secrets were printed
    1  they could not be written, or are nothing that the format can hold
` + classHelp

const getExample = `  hush get db/prod#password
  hush get --provider direct:?region=eu-west-1 --stage AWSPREVIOUS db/prod
  eval "$(hush get --format shell DB_PASSWORD=db/prod#password API_KEY=api)"`

const prefixFlag = "var-prefix"

type getOptions struct {
	asking
	format, prefix, field, version, stage string
}

func getCommand(stdout, stderr io.Writer) *cobra.Command {
	var o getOptions
	cmd := &cobra.Command{
		Use:               "get REF...",
		Short:             "Print secrets",
		Long:              getHelp,
		Example:           getExample,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), args, stdout, stderr)
		},
	}
	flags := cmd.Flags()
	o.flags(flags)
	flags.StringVar(&o.format, "format", formatRaw, "raw, json, env or shell")
	flags.StringVar(&o.prefix, prefixFlag, "", "`prefix` of variables without a NAME; JSON members require it")
	flags.StringVar(&o.field, "field", "", "print this member of each secret, which is JSON")
	flags.StringVar(&o.version, "version", "", "print this version of each secret")
	flags.StringVar(&o.stage, "stage", "", "print the version of each secret that has this label")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)) // there is that flag
	return cmd
}

func (o *getOptions) run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	questions, err := o.questions(args)
	if err != nil {
		return err
	}
	refs := make([]hush.Ref, len(questions))
	for i, q := range questions {
		refs[i] = q.ref
	}
	secrets, _, err := o.secrets(ctx, refs, failures)
	if err != nil {
		return err
	}
	out := secrets[0].Value.RevealBytes()
	if o.format != formatRaw {
		if out, err = o.layout().render(questions, secrets); err != nil {
			return err
		}
	}
	if terminal(stdout) {
		if o.format == formatRaw {
			out = append(out, '\n')
		}
		_, _ = fmt.Fprintln(stderr, "hush: this terminal shows a secret now, and may keep it")
	}
	if _, err := stdout.Write(out); err != nil {
		return fmt.Errorf("write the secrets: %w", err)
	}
	return nil
}

// questions reads the arguments. All that is wrong with them is told at once.
func (o *getOptions) questions(args []string) ([]question, error) {
	switch {
	case !slices.Contains(formats, o.format):
		return nil, usageError{fmt.Errorf("--format is %s", strings.Join(formats, ", "))}
	case o.format == formatRaw && len(args) > 1:
		return nil, usageError{errors.New("several secrets in one stream of bytes could not be told apart: choose --format json, env or shell")}
	}
	if err := o.checkPrefix(); err != nil {
		return nil, usageError{err}
	}
	questions := make([]question, len(args))
	results := make([]hush.Result, len(args))
	var clashes []error
	for i, text := range args {
		q := question{text: text}
		if o.format != formatRaw {
			q.name, text, _ = cutName(text)
		}
		q.ref, results[i].Err = parseRef(text)
		questions[i] = q
		if err := o.narrow(&questions[i].ref); err != nil {
			clashes = append(clashes, fmt.Errorf("%q: %w", q.text, err))
		}
	}
	if err := failures(results); err != nil {
		return nil, err
	}
	if err := errors.Join(clashes...); err != nil {
		return nil, usageError{err}
	}
	return questions, nil
}

func (o *getOptions) checkPrefix() error {
	switch prefix := o.layout().prefix; {
	case prefix == nil:
		return nil
	case o.format != formatShell && o.format != formatEnv:
		return fmt.Errorf("--%s applies only to --format %s and %s", prefixFlag, formatEnv, formatShell)
	case *prefix != "" && !identifier(*prefix):
		return fmt.Errorf("--%s %.80q: use letters, digits and underscores, and do not begin with a digit", prefixFlag, *prefix)
	}
	return nil
}

func (o *getOptions) layout() layout {
	if o.set.Changed(prefixFlag) {
		return layout{o.format, &o.prefix}
	}
	return layout{format: o.format}
}

// narrow adds to a reference what the flags say of all of them.
func (o *getOptions) narrow(ref *hush.Ref) error {
	for _, f := range []struct {
		flag, value string
		part        *string
	}{{"field", o.field, &ref.Field}, {"version", o.version, &ref.Version}, {"stage", o.stage, &ref.Stage}} {
		switch {
		case !o.set.Changed(f.flag):
		case f.value == "":
			return fmt.Errorf("--%s is empty", f.flag)
		case *f.part != "":
			return fmt.Errorf("it has a %s of its own, and there is --%s", f.flag, f.flag)
		default:
			*f.part = f.value
		}
	}
	return nil
}
