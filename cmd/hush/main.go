// Command hush prints secrets, runs programs with secrets, serves secrets to local
// programs, and diagnoses the stores that secrets come from.
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

const rootHelp = `Read secrets from the AWS Lambda extension, AWS Secrets Manager, Vault or environment
variables, whichever of these stores is available.`

func main() {
	restore := protectMemory()
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals()...)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, func() { stop(); restore() })
	stop()
	os.Exit(code)
}

// stopSignals returns the signals that cancel the command. A shell ignores SIGINT for
// commands in the background, and hush then ignores it too. Go does not report whether
// SIGTERM was ignored.
func stopSignals() []os.Signal {
	if signal.Ignored(os.Interrupt) {
		return []os.Signal{syscall.SIGTERM}
	}
	return []os.Signal{syscall.SIGTERM, os.Interrupt}
}

// run executes the command line and returns the exit status. restore undoes the changes
// that hush has made to its own process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, restore func()) int {
	root := rootCommand(stdout, stderr, restore)
	parsed := false // cobra calls PersistentPreRun only if the command line is valid
	root.PersistentPreRun = func(*cobra.Command, []string) { parsed = true }
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
	case !parsed:
		printError(stderr, err.Error()+"\nRun 'hush --help' for usage.")
		return exitUsage
	case !errors.Is(err, errReported):
		printError(stderr, err.Error())
	}
	return exitCode(err)
}

func rootCommand(stdout, stderr io.Writer, restore func()) *cobra.Command {
	root := &cobra.Command{
		Use:           "hush",
		Short:         "Read secrets from whichever store is available",
		Long:          rootHelp,
		Version:       thisBuild().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(
		getCommand(stdout, stderr), execCommand(restore), agentCommand(stdout, stderr), doctorCommand(stdout),
		demoCommand(stdout), versionCommand(stdout), configurationTopic(), referenceTopic(),
	)
	rejectUnknownTopics(root)
	return root
}

// printError writes text with a prefix on each line. Lines that begin with white space
// belong to the line above and are indented.
func printError(stderr io.Writer, text string) {
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

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
