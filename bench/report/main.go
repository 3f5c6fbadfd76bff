// Command report compares hush with its peers and floors. It prints a table with the limits of
// the project, stores the raw results in bench/results, and renders docs/performance.md, its
// pictures and the figures in other documents from all stored results. From the root:
//
//	go -C bench run ./report               # measure all sections, about 10 minutes
//	go -C bench run ./report hits chain    # measure these sections
//	go -C bench run ./report -render       # render the stored results
//	go -C bench run ./report -quick        # run each benchmark once as a test
//
// On a busy machine, any limit can fail.
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
	quick := flag.Bool("quick", false, "run each benchmark once, and do not store or render")
	onlyRender := flag.Bool("render", false, "render the stored results, and do not measure")
	flag.Parse()
	action := renderStored
	if !*onlyRender {
		action = func() error { return run(context.Background(), os.Stdout, flag.Args(), *quick) }
	}
	if err := action(); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// run measures sections, prints the table and renders. No names mean all sections.
func run(ctx context.Context, out io.Writer, names []string, quick bool) error {
	selected, err := selectSections(names, quick)
	if err != nil {
		return err
	}
	measured, err := measureAll(ctx, selected, quick)
	if err := errors.Join(err, printTable(out, measured)); err != nil || quick {
		return err
	}
	return renderStored()
}

// measureAll measures sections and stores the results. It continues after a failed section.
func measureAll(ctx context.Context, selected []section, quick bool) (measured map[string]*result.Result, err error) {
	measured = map[string]*result.Result{}
	for _, s := range selected {
		r, sectionErr := s.measure(ctx, quick)
		if sectionErr == nil {
			measured[s.name] = r
			if !quick {
				sectionErr = r.Save(resultsDir)
			}
		}
		if sectionErr != nil {
			err = errors.Join(err, fmt.Errorf("section %s: %w", s.name, sectionErr))
		}
	}
	return measured, err
}

// renderStored renders the stored results and writes the files.
func renderStored() error {
	results, err := result.Load(resultsDir)
	if err != nil {
		return err
	}
	files, err := render(root, results)
	if err != nil {
		return fmt.Errorf("cannot render the stored results: %w", err)
	}
	var errs []error
	for _, f := range files {
		errs = append(errs, f.write())
	}
	return errors.Join(errs...)
}
