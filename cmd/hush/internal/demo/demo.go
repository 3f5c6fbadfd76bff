// Package demo reads a secret from the Lambda extension, from Secrets Manager, from the
// environment and from memory, over real sockets of this machine. It prints how long
// each read takes, and checks each result.
package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// The injected latencies of Secrets Manager: a first call from Lambda in the worst
// published case, and a later call.
const (
	firstLatency = time.Second
	laterLatency = 30 * time.Millisecond
)

// The TTLs in the section about rotation. AWS's extension has a TTL of 5 m, which is too
// long for a demo.
const (
	extensionTTL = 2 * time.Second
	programTTL   = 500 * time.Millisecond
)

// A Report has the results of the demo.
type Report struct {
	OK       bool      `json:"ok"`
	Sections []Section `json:"sections"`
}

// A Section shows one property of hush.
type Section struct {
	Title string   `json:"title"`
	Notes []string `json:"notes,omitempty"`
	Steps []Step   `json:"steps"`
}

// A Step is a read and its result.
type Step struct {
	Name    string        `json:"name"`
	Took    time.Duration `json:"took_ns,omitempty"`
	After   time.Duration `json:"after_ns,omitempty"` // time since the rotation
	Source  string        `json:"source,omitempty"`
	Version string        `json:"version,omitempty"` // old or new
	Log     []string      `json:"log,omitempty"`     // log lines of the program
	OK      bool          `json:"ok"`
	Problem string        `json:"problem,omitempty"`
}

// check records a problem unless ok is true. The first problem stays.
func (s *Step) check(ok bool, problem string, args ...any) {
	if !ok && s.Problem == "" {
		s.Problem = fmt.Sprintf(problem, args...)
	}
	s.OK = s.Problem == ""
}

// Run runs the demo and writes its report to w: as text while it runs, or as JSON at the
// end. The error reports a step with an unexpected result, or that the demo could not
// run.
func Run(ctx context.Context, w io.Writer, asJSON bool) error {
	s, err := startStores()
	if err != nil {
		return err
	}
	defer s.close()
	report := Report{OK: true}
	out := printer{w: w, silent: asJSON}
	out.line("hush demo\nSecrets Manager, an extension and a program, over loopback sockets.")
	for _, run := range []func(context.Context, *stores) (Section, error){latency, outage, laptop, rotation} {
		section, err := run(ctx, s)
		if err := cmp.Or(ctx.Err(), err); err != nil {
			return err
		}
		report.Sections = append(report.Sections, section)
		for _, step := range section.Steps {
			report.OK = report.OK && step.OK
		}
		out.section(section)
	}
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		out.err = encoder.Encode(report)
	}
	if !report.OK {
		return errors.New("a step of the demo has an unexpected result")
	}
	out.line("\nEvery step has the expected result.")
	return out.err
}
