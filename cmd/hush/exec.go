package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hush-secrets/hush"
)

const execHelp = `Runs a command with secrets in its environment. hush replaces itself with it, so
that its process, signals, terminal and exit status are the command's own.

    --env NAME=REF     sets a variable to a secret; repeat it for several
    --env-file FILE    the same from a file of lines NAME=REF; a line that begins
                       with # is a comment. Repeat it for several
    --resolve-env      also replaces inherited values of the form hush://REF. Who can
                       set a variable can then have any secret that we can read, so
                       without it they are left as they are
    --drop NAMES       removes inherited variables; a word that ends with _ removes
                       all that begin with it: --drop HUSH_,VAULT_TOKEN. What --env
                       sets stays, and the stores still see what is removed

All secrets are there before the command starts; those that are not are named at once,
and it does not start. A name that is given twice is an error. The command is looked
for in PATH, before any secret is; without PATH only a path finds it, and a text file
without a #! line is no command. Flags for hush end where the command begins; --
before it makes that plain.

These names are reserved for the loader and for shells, and are an error. A * stands
for any characters:
    %s

What the command gets as it was: arguments, the other variables (of two with one name
the first), working directory, limits, open files, and ignored SIGHUP, SIGINT and
signals of job control, such as SIGTTOU. Like every program written in Go, hush opens
/dev/null where standard input, output or error is closed, undoes the ignoring of other
signals, and unblocks SIGHUP, SIGINT, SIGQUIT and SIGTERM. On Windows it runs the
command and waits for it.

REF is as in 'hush help reference', with or without hush:// before it.

` + sourceHelp + `

Exit status, where the command did not start; else it is the command's own:
    1  a secret is nothing that a variable can hold
  126  the command cannot be run
  127  there is no such command
` + classHelp

const execExample = `  hush exec --env DB_PASSWORD=db/prod#password -- ./server --port 8080
  hush exec --env-file secrets.env --drop AWS_,VAULT_TOKEN -- ./server`

type execOptions struct {
	asking
	named, files, drop []string
	resolve            bool
}

// execCommand returns the subcommand; asFound undoes what this process has changed
// about itself, right before it becomes another.
func execCommand(asFound func()) *cobra.Command {
	var o execOptions
	cmd := &cobra.Command{
		Use:     "exec [--env NAME=REF]... [--env-file FILE]... [--] COMMAND [ARG]...",
		Short:   "Run a command with secrets in its environment",
		Long:    fmt.Sprintf(execHelp, wrapped(reserved(), "    ", 84)),
		Example: execExample,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), args, asFound)
		},
		DisableFlagsInUseLine: true,
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false)
	o.flags(flags)
	flags.StringArrayVar(&o.named, "env", nil, "set a variable to a secret, as `NAME=REF`")
	flags.StringArrayVar(&o.files, "env-file", nil, "a `file` of lines NAME=REF")
	flags.BoolVar(&o.resolve, "resolve-env", false, "replace inherited values of the form hush://REF, too")
	flags.StringSliceVar(&o.drop, "drop", nil, "remove these inherited `names`, and prefixes that end with _")
	return cmd
}

func (o *execOptions) run(ctx context.Context, args []string, asFound func()) error {
	inherited := os.Environ() // before the flags become variables of this process
	drop, err := newDropper(o.drop)
	if err != nil {
		return usageError{err}
	}
	inherited = slices.DeleteFunc(inherited, func(entry string) bool { return drop.drops(nameOf(entry)) })
	variables, err := o.variables(inherited)
	if err != nil {
		return usageError{err}
	}
	path, err := findCommand(args[0])
	if err != nil {
		return err
	}
	environ, done, err := o.environ(ctx, inherited, variables)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		canceled := hush.NewError("", hush.Ref{}, hush.ErrCanceled, ctx.Err())
		return errors.Join(storeError{error: canceled}, done())
	}
	return become(program{path, args, environ, asFound, done})
}

// variables returns those that get a secret. All that is wrong is told at once.
func (o *execOptions) variables(inherited []string) ([]variable, error) {
	var all []variable
	var errs []error
	for i, text := range o.named {
		v, err := parseEnvLine(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("--env %d: %w", i+1, err))
			continue
		}
		v.from = "--env"
		all = append(all, v)
	}
	for _, path := range o.files {
		variables, err := readEnvFile(path)
		all, errs = append(all, variables...), append(errs, err)
	}
	names := map[string]bool{}
	for _, v := range all {
		if names[folded(v.name)] {
			errs = append(errs, fmt.Errorf("%s is to be set twice", v.name))
		}
		names[folded(v.name)] = true
	}
	if o.resolve {
		variables, err := resolvable(inherited, names)
		all, errs = append(all, variables...), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// resolvable returns the inherited variables whose values are references, but for
// those in set.
func resolvable(inherited []string, set map[string]bool) ([]variable, error) {
	var variables []variable
	var errs []error
	for _, entry := range inherited {
		name, text, _ := strings.Cut(entry, "=")
		if set[folded(name)] || !strings.HasPrefix(text, urlPrefix) {
			continue
		}
		v, err := parseEnvLine(entry)
		if err != nil {
			errs = append(errs, fmt.Errorf("--resolve-env: the variable %.80q: %w", name, err))
			continue
		}
		v.from = "--resolve-env"
		variables = append(variables, v)
	}
	return variables, errors.Join(errs...)
}

// environ returns the environment of the command, and what takes back what its
// secrets need.
func (o *execOptions) environ(ctx context.Context, inherited []string, variables []variable) ([]string, func() error, error) {
	asked := slices.ContainsFunc([]string{"config", "provider", "timeout"}, o.set.Changed)
	if len(variables) == 0 && !asked { // what is said of no secret may still be wrong
		return inherited, func() error { return nil }, nil
	}
	refs := make([]hush.Ref, len(variables))
	for i, v := range variables {
		refs[i] = v.ref
	}
	secrets, done, err := o.secrets(ctx, refs, func(results []hush.Result) error { return unset(variables, results) })
	if err != nil {
		return nil, nil, err
	}
	var errs []error
	environ := inherited
	for i, v := range variables {
		value := secrets[i].Value.Reveal()
		if strings.Contains(value, "\x00") {
			errs = append(errs, fmt.Errorf("%s: the secret %w", v.name, errZeroByte))
		}
		environ = slices.DeleteFunc(environ, func(entry string) bool { return folded(nameOf(entry)) == folded(v.name) })
		environ = append(environ, v.name+"="+value)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, errors.Join(err, done())
	}
	return environ, done, nil
}

// nameOf returns the name of an entry of an environment. On Windows some begin with
// a =.
func nameOf(entry string) string {
	if i := strings.IndexByte(entry[min(1, len(entry)):], '='); i >= 0 {
		return entry[:i+1]
	}
	return entry
}

// A program is what this process becomes.
type program struct {
	path    string
	args    []string
	environ []string
	asFound func()       // undoes what this process has changed about itself
	done    func() error // for when it has ended, where this process is there then
}
