package demo

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// width is the width of the text in columns.
const width = 80

// A printer writes sections as text. After an error it writes nothing.
type printer struct {
	w      io.Writer
	silent bool
	err    error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil && !p.silent {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) section(s Section) {
	p.line("\n%s", s.Title)
	for _, note := range s.Notes {
		p.line("  %s", note)
	}
	bars := !slices.ContainsFunc(s.Steps, func(step Step) bool { return len(step.Log) > 0 || step.Version != "" })
	for _, step := range s.Steps {
		p.step(step, bars)
	}
	if bars {
		p.line("%s", axis())
	}
}

func (p *printer) step(s Step, bars bool) {
	mark := "✓"
	if !s.OK {
		mark = "✗"
	}
	switch {
	case bars:
		p.line("  %s %-22s %8s %s", mark, s.Name, short(s.Took), bar(s.Took))
	case s.Version != "":
		after := "before"
		if s.After > 0 {
			after = "+" + short(s.After)
		}
		p.line("  %s %8s  %-24s %-4s from %-10s in %8s", mark, after, s.Name, s.Version, s.Source, short(s.Took))
	default:
		p.line("  %s %-22s %8s from %s", mark, s.Name, short(s.Took), s.Source)
	}
	if s.Problem != "" {
		p.line("      %s", s.Problem)
	}
	for _, line := range s.Log {
		p.line("%s", fold(line))
	}
}

// The scale of the bars is logarithmic.
const (
	barWidth = 42
	barLow   = 10 * time.Nanosecond
	barHigh  = 2 * time.Second
)

// position returns the column of d on the scale.
func position(d time.Duration) float64 {
	low, high := math.Log10(float64(barLow)), math.Log10(float64(barHigh))
	return barWidth * (math.Log10(float64(max(d, barLow))) - low) / (high - low)
}

func bar(d time.Duration) string {
	eighths := int(math.Round(min(position(d), barWidth) * 8))
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text
}

// axis returns the line below the bars.
func axis() string {
	line := []rune(strings.Repeat(" ", width))
	for _, tick := range []time.Duration{100, 10 * time.Microsecond, time.Millisecond, 100 * time.Millisecond} {
		copy(line[36+int(position(tick)):], []rune("│"+short(tick)))
	}
	return strings.TrimRight(string(line), " ")
}

// short returns d with at most three digits.
func short(d time.Duration) string {
	digit := time.Duration(1)
	for d/digit >= 1000 {
		digit *= 10
	}
	return d.Round(digit).String()
}

// fold breaks a log line after commas and spaces into lines that fit.
func fold(line string) string {
	const indent = "      "
	var b strings.Builder
	for margin := indent; ; margin = indent + " " {
		room := width - len(margin)
		if len(line) <= room {
			b.WriteString(margin + line)
			return b.String()
		}
		end := strings.LastIndexAny(line[:room], ", ") + 1
		if end == 0 {
			end = room
		}
		b.WriteString(margin + line[:end] + "\n")
		line = line[end:]
	}
}
