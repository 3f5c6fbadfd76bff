// Command ratios runs the benchmarks of hush beside their floors and peers, several
// times in turn, and prints a table of what each costs, how that compares, and
// whether the limit that the project set itself is met. From the root:
//
//	go -C bench run ./ratios
//
// A busy machine can make any comparison fail, so that it exits with 1 for a limit
// that is not met only with -enforce.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

func main() {
	rounds := flag.Int("rounds", 5, "how often each benchmark runs; the medians count")
	benchtime := flag.String("benchtime", "300ms", "how long each runs each time")
	enforce := flag.Bool("enforce", false, "exit with 1 if a limit is not met")
	flag.Parse()
	met, err := run(context.Background(), os.Stdout, *rounds, *benchtime)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ratios:", err)
		os.Exit(2)
	}
	if !met && *enforce {
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, rounds int, benchtime string) (met bool, err error) {
	results := results{}
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
		for _, s := range suites {
			text, err := s.run(ctx, benchtime)
			if err != nil {
				return false, err
			}
			results.add(text)
		}
	}
	return table(out, figures, results)
}

// A suite is a package whose benchmarks the figures need.
type suite struct{ dir, pkg, bench string }

func (s suite) run(ctx context.Context, benchtime string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-bench="+s.bench, "-benchmem", "-benchtime="+benchtime, s.pkg)
	cmd.Dir = s.dir
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go test -bench=%s %s: %w\n%s", s.bench, s.pkg, err, out)
	}
	return string(out), nil
}

// table writes a line for each figure and reports whether all limits are met. A
// benchmark that gave no result is an error, not a limit that is met.
func table(out io.Writer, figures []figure, r results) (met bool, err error) {
	const row = "%-20s %9s %6s   %-18s %9s %6s   %9s  %-21s %s\n"
	met = true
	fmt.Fprintf(out, row, "operation", "time", "allocs", "beside", "time", "allocs", "is", "limit", "")
	for _, f := range figures {
		c, lineErr := r.compare(f)
		if lineErr != nil {
			err = errors.Join(err, lineErr)
			continue
		}
		met = met && c.met
		fmt.Fprintf(out, row,
			f.name, c.ours.time(), strconv.Itoa(c.ours.allocs),
			f.beside, c.floor.time(), strconv.Itoa(c.floor.allocs),
			f.show(c.value), f.limits(), c.verdict(f))
	}
	return met, err
}
