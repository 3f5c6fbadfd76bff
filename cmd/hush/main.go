// Command hush reads secrets from the stores that package hush has, runs programs
// with them, serves them to others, and says how the stores are.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const rootHelp = `hush reads secrets from AWS's Lambda extension, Secrets Manager, Vault and the
environment: from whichever is there, as configuration says.`

func main() {
	undo := keepPrivate()
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	context.AfterFunc(ctx, stop) // so that a second signal ends what does not end by itself
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, func() { stop(); undo() })
	stop()
	os.Exit(code)
}

// endings are the signals that end what is under way. SIGINT stays ignored if it was
// when this process began, as shells have it in the background; of an ignored SIGTERM
// the runtime of Go does not tell.
func endings() []os.Signal {
	if signal.Ignored(os.Interrupt) {
		return []os.Signal{syscall.SIGTERM}
	}
	return []os.Signal{syscall.SIGTERM, os.Interrupt}
}

// run executes the command line and returns the exit status. asFound undoes what
// this process has changed about itself.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, asFound func()) int {
	root := rootCommand(stdout, stderr, asFound)
	// A command line that cobra refuses reaches no PersistentPreRun.
	understood := false
	root.PersistentPreRun = func(*cobra.Command, []string) { understood = true }
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case !understood:
		complain(stderr, err.Error()+"\nRun 'hush --help' for usage.")
		return exitUsage
	case !errors.Is(err, errQuiet):
		complain(stderr, explain(err))
	}
	return exitCode(err)
}

func rootCommand(stdout, stderr io.Writer, asFound func()) *cobra.Command {
	root := &cobra.Command{
		Use:           "hush",
		Short:         "Secrets from whichever store is there",
		Long:          rootHelp,
		Version:       thisBuild().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(
		getCommand(stdout, stderr), execCommand(asFound), agentCommand(stdout, stderr), doctorCommand(stdout),
		demoCommand(stdout), versionCommand(stdout), configurationTopic(), referenceTopic(),
	)
	knownTopics(root)
	return root
}

// complain writes text for people, a mistake a line; what belongs to the line above
// begins with a space or a tab.
func complain(stderr io.Writer, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		switch trimmed := strings.TrimLeft(line, " \t"); trimmed {
		case "":
		case line:
			_, _ = fmt.Fprintln(stderr, "hush: "+line)
		default:
			_, _ = fmt.Fprintln(stderr, "  "+trimmed)
		}
	}
}

// terminal reports whether w is a terminal.
func terminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
