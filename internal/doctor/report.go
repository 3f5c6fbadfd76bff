package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hush-secrets/hush"
)

// A report is an Examination as JSON.
type report struct {
	OK        bool          `json:"ok"`
	Exit      int           `json:"exit"`
	Reference string        `json:"reference"`
	Given     bool          `json:"given"` // by the user
	Platforms []platform    `json:"platforms"`
	Warnings  []string      `json:"warnings,omitempty"`
	Stores    []storeReport `json:"stores"`
	Result    string        `json:"result"` // of all stores together
	Error     string        `json:"error,omitempty"`
	Source    string        `json:"source,omitempty"` // the store that has the secret
	Fallback  bool          `json:"fallback,omitempty"`
}

// A storeReport is the result of one store.
type storeReport struct {
	Store         string        `json:"store"`
	URL           string        `json:"url"` // has no credential
	FrontFor      string        `json:"front_for,omitempty"`
	Reached       string        `json:"reached"`
	Authenticated string        `json:"authenticated"`
	Tries         int           `json:"tries"`
	Failed        int           `json:"failed"`
	Median        time.Duration `json:"p50_ns"`
	Max           time.Duration `json:"max_ns"`
	Result        string        `json:"result"`
	Chain         string        `json:"chain"`
	OK            bool          `json:"ok"`
	Error         string        `json:"error,omitempty"`
	Advice        string        `json:"advice,omitempty"`
}

func (e *Examination) storeReports() []storeReport {
	reports := make([]storeReport, len(e.probes))
	for i, p := range e.probes {
		reports[i] = storeReport{
			Store: p.store.Name, URL: p.store.URL, FrontFor: p.store.Front,
			Reached: p.reached(), Authenticated: p.authenticated(),
			Tries: len(p.durations), Failed: p.failed, Median: p.median(), Max: slices.Max(p.durations),
			Result: result(p.class), Chain: p.chainAction(context.Background()), OK: !p.hasFailed(),
			Error: p.detail(), Advice: e.advice(p),
		}
	}
	return reports
}

// WriteJSON writes the examination as JSON. exit is the exit status of the command.
func (e *Examination) WriteJSON(w io.Writer, exit int) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(report{
		OK: exit == 0, Exit: exit, Reference: e.ref.String(), Given: e.given, Platforms: e.platforms, Warnings: e.warnings,
		Stores: e.storeReports(), Result: result(e.overall.class), Error: e.overall.problem,
		Source: e.overall.source, Fallback: e.overall.fallback,
	})
}

// WriteTable writes the examination as text.
func (e *Examination) WriteTable(w io.Writer) error {
	var b strings.Builder
	for _, p := range e.platforms {
		_, _ = fmt.Fprintf(&b, "platform: %s (%s)\n", p.Name, strings.Join(p.Evidence, ", "))
	}
	for _, warning := range e.warnings {
		_, _ = fmt.Fprintf(&b, "warning: %s\n", warning)
	}
	_, _ = fmt.Fprintf(&b, "requested secret: %q%s\n\n", e.ref, map[bool]string{false: " (no store needs to have it)"}[e.given])
	reports := e.storeReports()
	columns := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(columns, "STORE\tREACHED\tAUTHENTICATED\tP50\tMAX\tRESULT\tCHAIN")
	for _, r := range reports {
		_, _ = fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			r.Store, r.Reached, r.Authenticated, r.format(r.Median), r.format(r.Max), r.Result, r.Chain)
	}
	_ = columns.Flush() // a strings.Builder returns no error
	for _, r := range reports {
		r.writeNotes(&b)
	}
	_, _ = fmt.Fprintf(&b, "\nall stores together: %s\n", e.overall)
	_, err := io.WriteString(w, b.String())
	return err
}

// writeNotes writes the failure and the advice, if there are any.
func (r *storeReport) writeNotes(b *strings.Builder) {
	if r.Advice == "" && r.Failed == 0 {
		return
	}
	_, _ = fmt.Fprintf(b, "\n%s\n", cmp.Or(r.Error, r.Store+": "+r.Result))
	if 0 < r.Failed && r.Failed < r.Tries {
		_, _ = fmt.Fprintf(b, "  %d of %d requests failed\n", r.Failed, r.Tries)
	}
	if r.FrontFor != "" {
		_, _ = fmt.Fprintf(b, "  this store is a front: the result of %s decides\n", r.FrontFor)
	}
	for _, line := range wrap("what to do: "+r.Advice, 76) {
		_, _ = fmt.Fprintf(b, "  %s\n", line)
	}
}

// wrap breaks text at spaces into lines of at most width bytes.
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

// format returns d with three digits, or "-" if no request was sent to the store.
func (r *storeReport) format(d time.Duration) string {
	if r.Reached != yes && (r.Result == hush.ErrAbsent.Error() || r.Result == hush.ErrUnsupported.Error()) {
		return "-"
	}
	digit := time.Duration(1)
	for d/digit >= 1000 {
		digit *= 10
	}
	return d.Round(digit).String()
}
