package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hush-secrets/hush"
)

// A diagnosis is what is printed of a link.
type diagnosis struct {
	Link          string        `json:"link"`
	URL           string        `json:"url"` // which has no credential in it
	FrontFor      string        `json:"front_for,omitempty"`
	Reached       string        `json:"reached"`
	Authenticated string        `json:"authenticated"`
	Tries         int           `json:"tries"`
	Failed        int           `json:"failed"`
	Median        time.Duration `json:"p50_ns"`
	Worst         time.Duration `json:"worst_ns"`
	Answer        string        `json:"answer"`
	Chain         string        `json:"chain"`
	OK            bool          `json:"ok"`
	Error         string        `json:"error,omitempty"`
	Advice        string        `json:"advice,omitempty"`
}

func (e *examination) diagnose(p *probe) diagnosis {
	return diagnosis{
		Link: p.link.Name, URL: p.link.URL, FrontFor: p.link.Front,
		Reached: p.reached(), Authenticated: p.authenticated(),
		Tries: len(p.took), Failed: p.failed, Median: p.median(), Worst: p.worst(),
		Answer: p.answer(), Chain: p.chainDoes(context.Background()), OK: !p.ill(),
		Error: p.detail(), Advice: e.advice(p),
	}
}

func (e *examination) diagnoses() []diagnosis {
	all := make([]diagnosis, len(e.links))
	for i, p := range e.links {
		all[i] = e.diagnose(p)
	}
	return all
}

// report is the examination as data.
type report struct {
	OK           bool          `json:"ok"`
	Exit         int           `json:"exit"`
	Reference    string        `json:"reference"`
	Given        bool          `json:"given"` // as REF
	Surroundings []surrounding `json:"surroundings"`
	Warnings     []string      `json:"warnings,omitempty"`
	Links        []diagnosis   `json:"links"`
	Answer       string        `json:"answer"` // of the stores together
	Error        string        `json:"error,omitempty"`
	By           string        `json:"by,omitempty"`
	Fallback     bool          `json:"fallback,omitempty"`
}

func (e *examination) json(w io.Writer) error {
	r := report{
		Reference: e.ref.String(), Given: e.given, Surroundings: e.surroundings, Warnings: e.warnings(),
		Links:  e.diagnoses(),
		Answer: e.outcome.answer(), Error: e.outcome.lacks, By: e.outcome.by, Fallback: e.outcome.fallback,
	}
	if err := e.verdict(); err != nil {
		r.Exit = exitCode(err)
	}
	r.OK = r.Exit == 0
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// warnings returns what may be a mistake, although it does not stop hush.
func (e *examination) warnings() []string {
	var warnings []string
	for _, name := range e.ignored {
		warnings = append(warnings, fmt.Sprintf("hush does not know the variable %.80q and ignores it; 'hush help configuration' lists its variables", name))
	}
	return warnings
}

// table prints the examination for people.
func (e *examination) table(w io.Writer) error {
	var b strings.Builder
	for _, s := range e.surroundings {
		_, _ = fmt.Fprintf(&b, "here is %s: %s\n", s.Name, strings.Join(s.Because, ", "))
	}
	for _, warning := range e.warnings() {
		_, _ = fmt.Fprintf(&b, "warning: %s\n", warning)
	}
	_, _ = fmt.Fprintf(&b, "asked for %q%s\n\n", e.ref, map[bool]string{false: ", which no store needs to have"}[e.given])
	all := e.diagnoses()
	columns := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(columns, "STORE\tREACHED\tSIGNED IN\tP50\tWORST\tANSWER\tCHAIN")
	for _, d := range all {
		_, _ = fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			d.Link, d.Reached, d.Authenticated, d.took(d.Median), d.took(d.Worst), d.Answer, d.Chain)
	}
	_ = columns.Flush() // to a strings.Builder
	for _, d := range all {
		writeNotes(&b, d)
	}
	_, _ = fmt.Fprintf(&b, "\nall together: %s\n", e.outcome)
	_, err := io.WriteString(w, b.String())
	return err
}

// writeNotes writes what is to be said about a link below the table.
func writeNotes(b *strings.Builder, d diagnosis) {
	if d.Advice == "" && d.Failed == 0 {
		return
	}
	_, _ = fmt.Fprintf(b, "\n%s\n", cmp.Or(d.Error, d.Link+": "+d.Answer))
	if 0 < d.Failed && d.Failed < d.Tries {
		_, _ = fmt.Fprintf(b, "  it failed %d of %d times\n", d.Failed, d.Tries)
	}
	if d.FrontFor != "" {
		_, _ = fmt.Fprintf(b, "  it is a front: what %s says counts\n", d.FrontFor)
	}
	for _, line := range wrap("what to do: "+d.Advice, 76) {
		_, _ = fmt.Fprintf(b, "  %s\n", line)
	}
}

// wrap breaks text into lines of at most width bytes, where it has spaces.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

// took is a time that a store took, to three digits; of one that was not asked there
// is none.
func (d diagnosis) took(t time.Duration) string {
	if d.Reached != yes && (d.Answer == hush.ErrAbsent.Error() || d.Answer == hush.ErrUnsupported.Error()) {
		return "-"
	}
	digit := time.Duration(1)
	for t/digit >= 1000 {
		digit *= 10
	}
	return t.Round(digit).String()
}
