package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hush-secrets/hush/bench/internal/result"
)

var columns = []string{"operation", "Hush", "compared with", "its value", "comparison", "range", "limit", ""}

// cells returns the table row of a comparison.
func (c comparison) cells(n numbers) []string {
	floor, spread, verdict := "", "", ""
	if n.missing {
		return []string{c.operation, "", c.baseline, "", "not measured", "", c.showLimit(), c.optional}
	}
	if c.floor != "" || c.alternating != "" {
		floor = show(n.floor, c.unit)
	}
	if n.low < n.high {
		spread = c.show(n.low) + " to " + c.show(n.high)
	}
	if c.limit != "" {
		verdict = map[bool]string{true: "met", false: "NOT MET"}[n.met]
	}
	return []string{c.operation, show(n.ours, c.unit), c.baseline, floor, c.show(n.value), spread, c.showLimit(), verdict}
}

// show formats a value of the comparison.
func (c comparison) show(value float64) string {
	switch c.relation {
	case difference:
		text := show(value, c.unit)
		if value >= 0 {
			text = "+" + text
		}
		return text
	case absolute:
		return show(value, c.unit)
	default:
		return fmt.Sprintf("%.2f ×", value)
	}
}

func (c comparison) showLimit() string {
	if c.limit == "" {
		return ""
	}
	operator, _, _ := strings.Cut(string(c.limit), " ")
	text := operator + " " + c.show(c.limit.bound())
	if c.sufficient > 0 {
		text += ", or " + show(c.sufficient, c.unit)
	}
	return text
}

// show formats a measurement.
func show(value float64, unit string) string {
	switch cmp.Or(unit, "ns/op") {
	case "ns/op", "cpu-ns/op", "init-ns/op":
		return showTime(value)
	case "req/s", "calls/s":
		return thousands(value) + "/s"
	case "bytes", "packages", "init-allocs":
		return thousands(value)
	case "ours/bare":
		return fmt.Sprintf("%.2f", value)
	case "MiB":
		return fmt.Sprintf("%.1f MiB", value)
	default:
		return strconv.FormatFloat(value, 'f', -1, 64)
	}
}

// showTime formats nanoseconds with three digits.
func showTime(ns float64) string {
	sign := ""
	if ns < 0 {
		sign, ns = "-", -ns
	}
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"s", time.Second}, {"ms", time.Millisecond}, {"µs", time.Microsecond}} {
		if value := ns / float64(u.size); value >= 1 {
			return sign + digits(value) + " " + u.name
		}
	}
	return sign + digits(ns) + " ns"
}

func digits(value float64) string {
	switch {
	case value >= 100:
		return fmt.Sprintf("%.0f", value)
	case value >= 10:
		return fmt.Sprintf("%.1f", value)
	default:
		return fmt.Sprintf("%.2f", value)
	}
}

// thousands formats a whole number with commas.
func thousands(value float64) string {
	text := fmt.Sprintf("%.0f", value)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// printTable writes a row for each comparison of the measured sections.
func printTable(out io.Writer, results map[string]*result.Result) (err error) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(columns, "\t"))
	for _, c := range comparisons {
		if results[c.section] == nil {
			continue
		}
		n, rowErr := c.evaluate(results)
		if rowErr != nil {
			err = errors.Join(err, rowErr)
			continue
		}
		fmt.Fprintln(table, strings.Join(c.cells(n), "\t"))
	}
	return errors.Join(err, table.Flush())
}
