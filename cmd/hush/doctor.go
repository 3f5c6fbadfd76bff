package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/internal/parallel"
)

const doctorHelp = `Asks each configured store on its own, a few times, and says of each: whether it can
be reached, whether it accepts our credential, how long it takes, what it answers,
what the chain of the stores does with such an answer, and what can be done about a
failure. It also says in which surroundings it finds itself, and by what.

With REF it asks for that secret, which it does not print. Without, it asks for
"hush/probe", which no store needs to have: that there is no such secret is a healthy
answer, and that it may not be read is one, too, though a policy that names what may
be read says nothing about REF until it is asked for.

The chain does one of these with an answer:
  answer     it has the secret: nobody else is asked
  next       the next store is asked
  fallback   the next store is asked, and what it has is marked as a fallback
  front      the store behind this front is asked, and its word counts
  stop       nobody else is asked
  end        there is nobody else to ask

`

const doctorExitHelp = `

Exit status:
    0  all is well: REF would be answered, or every store answers; what is not here,
       as Lambda's extension on a laptop, counts as well if another store is
    1  the stores together would answer, and one of them has a failure
` + classHelp

type doctorOptions struct {
	source  source
	tries   int
	timeout time.Duration
	json    bool
}

func doctorCommand(stdout io.Writer) *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:     "doctor [REF]",
		Short:   "Ask each store how it is, and say what to do",
		Long:    doctorHelp + sourceHelp + doctorExitHelp,
		Example: "  hush doctor\n  hush doctor --json db/prod#password",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := o.examine(cmd.Context(), args)
			if err != nil {
				return err
			}
			show := e.table
			if o.json {
				show = e.json
			}
			if err := show(stdout); err != nil {
				return fmt.Errorf("write the report: %w", err)
			}
			return e.verdict()
		},
	}
	flags := cmd.Flags()
	o.source.flags(flags)
	flags.IntVar(&o.tries, "tries", 5, "how often each store is asked, 1 to 100; a store that is slow or fails is asked less often")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Second, "how long one answer of a store may take, unless its link has a limit")
	flags.BoolVar(&o.json, "json", false, "print data instead of a table")
	return cmd
}

// harmless is what stores are asked for without a REF, or by what they have in its
// place.
const harmless = config.VerifyName

// An examination is what was found.
type examination struct {
	ref          hush.Ref
	given        bool // by the user, who wants it answered
	surroundings []surrounding
	ignored      []string // variables that begin with HUSH_
	links        []*probe
	outcome      outcome
}

func (o *doctorOptions) examine(ctx context.Context, args []string) (*examination, error) {
	if o.tries < 1 || o.tries > 100 || o.timeout <= 0 {
		return nil, usageError{errors.New("--tries is 1 to 100, and --timeout a positive duration")}
	}
	e := &examination{ref: hush.Name(harmless), surroundings: surroundings(thisMachine()), ignored: config.IgnoredVariables(os.Environ())}
	if len(args) > 0 {
		ref, err := parseRef(args[0])
		if err != nil {
			return nil, storeError{error: err}
		}
		e.ref, e.given = ref, true
	}
	policy, p, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }() // what is left open ends with the process
	for _, l := range p.Stores() {
		l.Policy = cmp.Or(l.Policy, policy)
		e.links = append(e.links, newProbe(l, e.ref, e.given))
	}
	e.links[len(e.links)-1].last = true
	parallel.Each(len(e.links), len(e.links), func(i int) { e.links[i].ask(ctx, o.tries, o.timeout) })
	if ctx.Err() != nil {
		return nil, fmt.Errorf("interrupted: %w", ctx.Err())
	}
	e.outcome = replay(ctx, e.links, e.ref)
	return e, nil
}

// open opens the stores, of which none is asked by that: which one fails is for the
// examination to say.
func (o *doctorOptions) open(ctx context.Context) (config.Policy, *config.Provider, error) {
	if err := os.Setenv("HUSH_VERIFY", "false"); err != nil {
		return "", nil, err
	}
	cfg, err := o.source.config()
	if err != nil {
		// Opening tells all that is wrong.
		cfg = &config.Config{}
	}
	p, err := o.source.open(ctx)
	return cfg.Policy, p, err
}

// verdict is what the exit status says.
func (e *examination) verdict() error {
	if class := e.outcome.class; class != 0 && (e.given || !fine(class)) {
		return codeError{fmt.Errorf("all stores together: %s", e.outcome), classCodes[class]}
	}
	ill := 0
	for _, p := range e.links {
		if p.ill() {
			ill++
		}
	}
	if ill > 0 {
		return fmt.Errorf("a failure in %d of %d stores, without which the others do", ill, len(e.links))
	}
	return nil
}

// fine reports whether class is a healthy answer about a secret that nobody needs to
// have.
func fine(class hush.Class) bool {
	return class == hush.ErrNotFound || class == hush.ErrDenied || class == hush.ErrRefused
}
