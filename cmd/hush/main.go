// Command hush reads secrets from the stores that package hush has, and shows
// what they cost.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes the command line and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "hush",
		Short: "Secrets from whichever store is there",
		Long: "hush reads secrets from AWS's Lambda extension, Secrets Manager and the environment.\n\n" +
			"hush get prints one; hush demo shows, on this machine alone, what each store costs\n" +
			"and what happens when one fails.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	// A command line that cobra refuses reaches no PersistentPreRun.
	understood := false
	root.PersistentPreRun = func(*cobra.Command, []string) { understood = true }
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(getCommand(stdout, stderr), demoCommand(stdout))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if !understood {
		_, _ = fmt.Fprintf(stderr, "hush: %v\nRun 'hush --help' for usage.\n", err)
		return exitUsage
	}
	_, _ = fmt.Fprintf(stderr, "hush: %s\n", explain(err))
	return exitCode(err)
}

// terminal reports whether w is a terminal.
func terminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
