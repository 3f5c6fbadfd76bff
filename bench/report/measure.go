package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/hush-secrets/hush/bench/internal/result"
)

// measure runs the section. A quick run calls each benchmark once.
func (s section) measure(ctx context.Context, quick bool) (*result.Result, error) {
	r := result.New(s.name, "go -C bench run ./report "+s.name)
	if s.command != nil {
		return r, s.runCommand(ctx, r)
	}
	rounds, benchtime := s.rounds, s.benchtime
	if quick {
		rounds, benchtime = 1, "1x"
	}
	dir, err := os.MkdirTemp("", "hush-report-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "bench.test")
	if _, err := output(ctx, s.dir, nil, "go", "test", "-c", "-o", binary, s.pkg); err != nil {
		return nil, err
	}
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "%s: round %d of %d\n", s.name, round+1, rounds)
		text, err := output(ctx, filepath.Join(s.dir, s.pkg), nil, binary, "-test.run=^$", "-test.bench="+s.bench, "-test.benchtime="+benchtime)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "Benchmark") {
				r.AddText(line)
			}
		}
	}
	return r, nil
}

func (s section) runCommand(ctx context.Context, r *result.Result) error {
	fmt.Fprintf(os.Stderr, "%s: %s\n", s.name, strings.Join(s.command, " "))
	r.Command = strings.Join(append(s.env, s.command...), " ")
	text, err := output(ctx, root, s.env, s.command[0], s.command[1:]...)
	if err != nil {
		return err
	}
	r.AddText(stripTestOutput(text))
	if s.measurements != nil {
		for name, values := range s.measurements(text) {
			r.Add(name, values)
		}
	}
	return nil
}

func output(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append(os.Environ(), env...), os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, text)
	}
	return string(text), nil
}

var (
	testFrame = regexp.MustCompile(`^\s*(=== |--- |PASS\s*$|ok\s)`)
	logPrefix = regexp.MustCompile(`^\s+\w+_test\.go:\d+: |^ {4}`)
)

// stripTestOutput removes the lines and prefixes that go test -v adds to the output of a test.
func stripTestOutput(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !testFrame.MatchString(line) {
			b.WriteString(logPrefix.ReplaceAllString(line, ""))
		}
	}
	return b.String()
}

var binarySize = regexp.MustCompile(`(\d+) bytes`)

// sizes parses the output of bench/size.
func sizes(output string) map[string]map[string]float64 {
	all := map[string]map[string]float64{}
	names := []string{"floor", "hush", "vaultfloor", "vault"}
	for i, m := range binarySize.FindAllStringSubmatch(output, len(names)) {
		if n, err := strconv.ParseFloat(m[1], 64); err == nil {
			all["BenchmarkSize/"+names[i]] = map[string]float64{"bytes": n}
		}
	}
	return all
}
