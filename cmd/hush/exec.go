package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hush-secrets/hush"
)

const execHelp = `Run a command with secrets in its environment.

  hush exec --env DB_PASSWORD=db/prod#password -- ./server --port 8080
  hush exec --env-file secrets.env --drop AWS_,VAULT_TOKEN -- ./server

    --env NAME=REF     set a variable to a secret; repeat it for several
    --env-file FILE    set the variables of a file with lines NAME=REF; lines that
                       begin with # are comments; repeat it for several files
    --resolve-env      also replace inherited values of the form hush://REF. Anyone
                       who can set a variable can then read any secret that hush can
                       read, so this is off by default
    --drop NAMES       remove inherited variables; a word that ends with _ removes all
                       variables that begin with it: --drop HUSH_,VAULT_TOKEN.
                       Variables of --env stay, and stores still see dropped variables

hush finds the command in PATH, then gets all secrets, and then starts the command. If
any secret is missing, hush names all that are missing and does not start the command.
Flags of hush end where the command begins; -- marks that place.

These variables are reserved for the loader and for shells, and setting them is an
error. * stands for any characters:
    %s

hush replaces its own process. The command keeps arguments, other variables, working
directory, limits and open files, and its exit status is its own. On Windows, hush runs
the command as a child and waits. docs/command.md has the details, such as signals.

REF is a reference with or without hush:// before it: see 'hush help reference'.

` + sourceHelp + `

Exit status, if the command did not start:
    1  a variable cannot contain the secret
` + classHelp + `

It is 126 if the command cannot be run, and 127 if the command does not exist.`

type execOptions struct {
	fetcher
	env, envFiles, drop []string
	resolve             bool
}

// execCommand returns the subcommand. restore undoes the changes that hush has made to
// its own process.
func execCommand(restore func()) *cobra.Command {
	var opts execOptions
	cmd := &cobra.Command{
		Use:   "exec [--env NAME=REF]... [--env-file FILE]... [--] COMMAND [ARG]...",
		Short: "Run a command with secrets in its environment",
		Long:  fmt.Sprintf(execHelp, strings.Join(reservedNames(), "\n    ")),
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return opts.run(cmd.Context(), args, restore)
		},
		DisableFlagsInUseLine: true,
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false)
	opts.addFlags(flags)
	flags.StringArrayVar(&opts.env, "env", nil, "set a variable to a secret, as `NAME=REF`")
	flags.StringArrayVar(&opts.envFiles, "env-file", nil, "set the variables of a `file` with lines NAME=REF")
	flags.BoolVar(&opts.resolve, "resolve-env", false, "also replace inherited values of the form hush://REF")
	flags.StringSliceVar(&opts.drop, "drop", nil, "remove inherited variables: `names`, or prefixes that end with _")
	return cmd
}

// A program is what hush runs in its place.
type program struct {
	path    string
	args    []string
	environ []string
	restore func()
	close   func() error // closes the stores; called only if hush still runs then
}

func (o *execOptions) run(ctx context.Context, args []string, restore func()) error {
	inherited, err := o.inherited()
	if err != nil {
		return usageError(err)
	}
	variables, err := o.variables(inherited)
	if err != nil {
		return usageError(err)
	}
	path, err := findCommand(args[0])
	if err != nil {
		return err
	}
	environ, closeStores, err := o.environ(ctx, inherited, variables)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		canceled := hush.NewError("", hush.Ref{}, hush.ErrCanceled, ctx.Err())
		return errors.Join(storeError(canceled), closeStores())
	}
	return runProgram(program{path, args, environ, restore, closeStores})
}

// inherited returns the environment of this process without the variables of --drop.
func (o *execOptions) inherited() ([]string, error) {
	for _, word := range o.drop {
		if !isIdentifier(word) {
			return nil, fmt.Errorf("--drop %.80q: use the name of a variable, or a prefix that ends with _", word)
		}
	}
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name := foldCase(entryName(entry))
		return slices.ContainsFunc(o.drop, func(word string) bool {
			word = foldCase(word)
			return word == name || strings.HasSuffix(word, "_") && strings.HasPrefix(name, word)
		})
	}), nil
}

// variables returns the variables to set. The error reports all mistakes.
func (o *execOptions) variables(inherited []string) ([]variable, error) {
	var variables []variable
	var errs []error
	add := func(origin, text, context string) {
		v, err := parseVariable(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", context, err))
			return
		}
		v.origin = origin
		variables = append(variables, v)
	}
	for i, text := range o.env {
		add("--env", text, fmt.Sprintf("--env %d", i+1))
	}
	for _, path := range o.envFiles {
		ofFile, err := readEnvFile(path)
		variables, errs = append(variables, ofFile...), append(errs, err)
	}
	names := map[string]bool{}
	for _, v := range variables {
		if names[foldCase(v.name)] {
			errs = append(errs, fmt.Errorf("%s is set twice", v.name))
		}
		names[foldCase(v.name)] = true
	}
	for _, entry := range inherited {
		name, value, _ := strings.Cut(entry, "=")
		if o.resolve && !names[foldCase(name)] && strings.HasPrefix(value, refPrefix) {
			add("--resolve-env", entry, fmt.Sprintf("--resolve-env: the variable %.80q", name))
		}
	}
	return variables, errors.Join(errs...)
}

// environ returns the environment of the command, and a function that closes the stores.
func (o *execOptions) environ(ctx context.Context, inherited []string, variables []variable) ([]string, func() error, error) {
	if len(variables) == 0 && !slices.ContainsFunc([]string{"config", "provider", "timeout"}, o.flags.Changed) {
		return inherited, func() error { return nil }, nil // there is nothing to validate
	}
	refs := make([]hush.Ref, len(variables))
	for i, v := range variables {
		refs[i] = v.ref
	}
	secrets, closeStores, err := o.fetch(ctx, refs, func(i int, err error) string { return variables[i].explain(err) })
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
		environ = slices.DeleteFunc(environ, func(entry string) bool { return foldCase(entryName(entry)) == foldCase(v.name) })
		environ = append(environ, v.name+"="+value)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, errors.Join(err, closeStores())
	}
	return environ, closeStores, nil
}

// entryName returns the name in an entry of an environment. On Windows, some names
// begin with =.
func entryName(entry string) string {
	if i := strings.IndexByte(entry[min(1, len(entry)):], '='); i >= 0 {
		return entry[:i+1]
	}
	return entry
}

// findCommand returns the path of a command, as a shell finds it.
func findCommand(name string) (string, error) {
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, exec.ErrDot):
		return "", exitError{fmt.Errorf("%q is in the working directory, which PATH includes: use ./%s to run it", name, name), exitNotFound}
	case !errors.Is(err, exec.ErrNotFound) && !errors.Is(err, fs.ErrNotExist):
		return "", exitError{fmt.Errorf("cannot run %q: %w", name, rootCause(err)), exitNotExecutable}
	case inPath(name):
		return "", exitError{fmt.Errorf("cannot run %q: the file in PATH is not executable", name), exitNotExecutable}
	}
	return "", exitError{fmt.Errorf("command %q does not exist", name), exitNotFound}
}

// inPath reports whether a directory in PATH has a file of that name, executable or not.
func inPath(name string) bool {
	return !strings.ContainsRune(name, filepath.Separator) && slices.ContainsFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err == nil && info.Mode().IsRegular()
	})
}

// rootCause returns the innermost error, which is the system's.
func rootCause(err error) error {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err
}
