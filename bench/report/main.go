// Command report measures hush beside its peers and floors. It prints one table
// with a verdict for each limit that the project has set itself, stores the raw
// results in bench/results, and renders docs/performance.md, its pictures and the
// figures in other documents from all stored results. From the root:
//
//	go -C bench run ./report               # every section, about 10 minutes
//	go -C bench run ./report hits chain    # these sections
//	go -C bench run ./report -render       # no measurement: render stored results
//	go -C bench run ./report -quick        # each benchmark once: does it run?
//
// A busy machine can make any limit fail. The exit status is 1 for a limit that is
// not met only with -enforce.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/hush-secrets/hush/bench/internal/result"
)

// Paths relative to the bench module, where the command runs.
const (
	root       = ".."
	resultsDir = "results"
)

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "run each benchmark once, and store and render nothing")
	flag.BoolVar(&o.render, "render", false, "measure nothing, and render the stored results")
	flag.IntVar(&o.rounds, "rounds", 0, "number of rounds of each section (default: as the section has it)")
	enforce := flag.Bool("enforce", false, "exit with 1 if a limit is not met")
	flag.Parse()
	o.sections = flag.Args()
	met, err := run(context.Background(), os.Stdout, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(2)
	}
	if !met && *enforce {
		os.Exit(1)
	}
}

type options struct {
	quick, render bool
	rounds        int      // zero: as each section has it
	sections      []string // empty: all
}

// run measures, prints the table and renders. It reports whether all limits are met.
func run(ctx context.Context, out io.Writer, o options) (met bool, err error) {
	if o.render {
		return true, renderStored()
	}
	chosen, err := choose(o.sections, o.quick)
	if err != nil {
		return false, err
	}
	measured, failures := measureAll(ctx, chosen, o)
	met, err = printTable(out, measured)
	if err := errors.Join(failures, err); err != nil || o.quick {
		return met, err
	}
	return met, renderStored()
}

// measureAll measures sections and stores the results. A section that fails does
// not stop the others.
func measureAll(ctx context.Context, chosen []section, o options) (measured map[string]*result.Result, failures error) {
	measured = map[string]*result.Result{}
	for _, s := range chosen {
		r, err := s.measure(ctx, o)
		if err == nil {
			measured[s.name] = r
			if !o.quick {
				err = r.Save(resultsDir)
			}
		}
		if err != nil {
			failures = errors.Join(failures, fmt.Errorf("section %s: %w", s.name, err))
		}
	}
	return measured, failures
}

// renderStored writes every file that holds stored results.
func renderStored() error {
	results, err := result.Load(resultsDir)
	if err != nil {
		return err
	}
	files, err := render(root, results)
	if err != nil {
		return fmt.Errorf("results are stored, but nothing is rendered: %w", err)
	}
	var errs []error
	for _, f := range files {
		errs = append(errs, f.write())
	}
	return errors.Join(errs...)
}
