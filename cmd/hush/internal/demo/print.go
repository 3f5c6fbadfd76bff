package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// width is that of the narrowest terminal anyone should have.
const width = 80

// A printer writes acts as text. After the first error it writes no more.
type printer struct {
	w      io.Writer
	color  bool
	silent bool
	err    error
}

// The few styles, as ANSI codes.
const (
	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
	cyan  = "36"
)

func (p *printer) style(code, text string) string {
	if !p.color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil && !p.silent {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) opening() {
	p.line("%s", p.style(bold, "hush demo"))
	p.line("Secrets Manager, an extension and a program, over loopback sockets.")
}

func (p *printer) closing(ok bool) {
	p.line("")
	if ok {
		p.line("%s", p.style(green, "Every step did what it says."))
	} else {
		p.line("%s", p.style(red, "A step did not do what it says."))
	}
}

func (p *printer) act(a Act) {
	p.line("")
	p.line("%s", p.style(bold, a.Title))
	for _, note := range a.Notes {
		p.line("  %s", p.style(dim, note))
	}
	bars := true
	for _, step := range a.Steps {
		bars = bars && len(step.Log) == 0 && step.Version == ""
	}
	for _, step := range a.Steps {
		p.step(step, bars)
	}
	if bars {
		p.line("%s", p.style(dim, axis()))
	}
}

func (p *printer) step(s Step, bars bool) {
	mark := p.style(green, "✓")
	if !s.OK {
		mark = p.style(red, "✗")
	}
	switch {
	case bars:
		p.line("  %s %-22s %8s %s", mark, s.Name, short(s.Took), p.style(cyan, bar(s.Took)))
	case s.Version != "":
		after := "before"
		if s.After > 0 {
			after = "+" + short(s.After)
		}
		p.line("  %s %8s  %-24s %-4s from %-10s in %8s", mark, after, s.Name, s.Version, s.Source, short(s.Took))
	default:
		p.line("  %s %-22s %8s from %s", mark, s.Name, short(s.Took), s.Source)
	}
	if s.Fault != "" {
		p.line("      %s", p.style(red, s.Fault))
	}
	for _, line := range s.Log {
		p.line("%s", p.style(dim, fold(line)))
	}
}

// The bars' scale is logarithmic, from ten nanoseconds to a second and a bit.
const (
	barWidth = 42
	barFrom  = 10 * time.Nanosecond
	barTo    = 2 * time.Second
)

func position(d time.Duration) float64 {
	from, to := math.Log10(float64(barFrom)), math.Log10(float64(barTo))
	return barWidth * (math.Log10(float64(max(d, barFrom))) - from) / (to - from)
}

func bar(d time.Duration) string {
	eighths := int(math.Round(min(position(d), barWidth) * 8))
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text
}

// axis is the line below the bars.
func axis() string {
	line := []rune(strings.Repeat(" ", width))
	for _, tick := range []time.Duration{100, 10 * time.Microsecond, time.Millisecond, 100 * time.Millisecond} {
		copy(line[36+int(position(tick)):], []rune("│"+short(tick)))
	}
	return strings.TrimRight(string(line), " ")
}

// short returns d with three digits at the most.
func short(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= unit.size {
			n := float64(d) / float64(unit.size)
			text := fmt.Sprintf("%.*f", max(0, 2-int(math.Log10(n))), n)
			if strings.Contains(text, ".") {
				text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
			}
			return text + unit.name
		}
	}
	return fmt.Sprintf("%dns", d.Nanoseconds())
}

// fold breaks a log line after a comma or a space, to fit.
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

func printJSON(w io.Writer, report Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}
