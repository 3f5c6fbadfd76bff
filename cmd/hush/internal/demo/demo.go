// Package demo shows a secret travel from the extension to Secrets Manager to the
// environment and to memory, over real sockets on this machine, and checks that
// each step does what it says.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// The latencies that the demo's Secrets Manager is given: what a first read from
// Lambda took in the worst published case, and what a warm one takes.
const (
	firstLatency = time.Second
	laterLatency = 30 * time.Millisecond
)

// The times to live in the act about rotation. AWS's extension keeps a secret for
// up to five minutes; nobody wants to watch that.
const (
	extensionTTL = 2 * time.Second
	programTTL   = 500 * time.Millisecond
)

// Options say how Run reports.
type Options struct {
	JSON  bool // data instead of a table, once all is over
	Color bool
}

// A Report is all that a demo saw.
type Report struct {
	OK       bool     `json:"ok"`
	Injected Injected `json:"injected"`
	Acts     []Act    `json:"acts"`
}

// Injected says which figures are not this machine's.
type Injected struct {
	FirstCall    time.Duration `json:"first_call_ns"`
	LaterCalls   time.Duration `json:"later_calls_ns"`
	ExtensionTTL time.Duration `json:"extension_ttl_ns"`
	ProgramTTL   time.Duration `json:"program_ttl_ns"`
}

// An Act is one part of the demo.
type Act struct {
	Title string   `json:"title"`
	Notes []string `json:"notes,omitempty"`
	Steps []Step   `json:"steps"`
}

// A Step is one thing that was said and seen.
type Step struct {
	Name    string        `json:"name"`
	Took    time.Duration `json:"took_ns,omitempty"`  // one call
	After   time.Duration `json:"after_ns,omitempty"` // since the rotation
	Source  string        `json:"source,omitempty"`   // who answered
	Version string        `json:"version,omitempty"`  // old or new
	Log     []string      `json:"log,omitempty"`      // the program's own log lines
	OK      bool          `json:"ok"`
	Fault   string        `json:"fault,omitempty"` // why not
}

// check makes the step say whether it is true that it did what it says.
func (s *Step) check(ok bool, fault string, args ...any) {
	if !ok && s.Fault == "" {
		s.Fault = fmt.Sprintf(fault, args...)
	}
	s.OK = s.Fault == ""
}

// Run plays the demo to w. Its error says that a step did not do what it says, or
// that there is no stage to play on.
func Run(ctx context.Context, w io.Writer, o Options) error {
	s, err := newStage()
	if err != nil {
		return err
	}
	defer s.close()
	report := Report{OK: true, Injected: Injected{firstLatency, laterLatency, extensionTTL, programTTL}}
	out := printer{w: w, color: o.Color, silent: o.JSON}
	out.opening()
	for _, play := range []func(context.Context, *stage) (Act, error){distances, outage, laptop, rotation} {
		act, err := play(ctx, s)
		if err := cmp.Or(ctx.Err(), err); err != nil {
			return err
		}
		report.Acts = append(report.Acts, act)
		for _, step := range act.Steps {
			report.OK = report.OK && step.OK
		}
		out.act(act)
	}
	out.closing(report.OK)
	if o.JSON {
		if err := printJSON(w, report); err != nil {
			return err
		}
	}
	if !report.OK {
		return errors.New("a step of the demo did not do what it says")
	}
	return out.err
}
