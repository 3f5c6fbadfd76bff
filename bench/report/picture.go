package main

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

// A picture is a chart of horizontal bars.
type picture struct {
	Title, Note string
	Height      int
	Bars        []bar
	Labels      []label
	Ticks       []label // of the axis; empty means a linear scale
	Legend      []label // with Series
	Theme       theme
}

// A bar is a bar with its value at the end.
type bar struct {
	Y, Height, Width int
	Series           int
	Value            string
}

// Middle returns the baseline of text in the middle of the bar.
func (b bar) Middle() int { return b.Y + b.Height/2 + 4 }

// A label is text at a position.
type label struct {
	X, Y, Series int
	Text         string
	Strong       bool
}

// A theme is the colors of one of GitHub's two backgrounds.
type theme struct {
	Name, Text, Muted, Grid string
	Series                  [2]string
}

var themes = []theme{
	{"light", "#1f2328", "#59636e", "#d1d9e0", [2]string{"#0969da", "#8250df"}},
	{"dark", "#f0f6fc", "#9198a1", "#3d444d", [2]string{"#4493f8", "#ab7df8"}},
}

// The geometry of a picture, in pixels at its natural size.
const (
	pictureWidth = 840
	barsFrom     = 250
	barsTo       = 740 // end of the longest bar; its value is to the right of it
	top          = 76
)

// Width returns the width of a picture.
func (picture) Width() int { return pictureWidth }

// X returns the start of the bars.
func (picture) X() int { return barsFrom }

// pictures returns each picture in each theme.
func pictures(root string, t *template.Template, v view) (files []file, err error) {
	for name, draw := range map[string]func(view) (picture, error){"hits": drawHits, "path": drawPath} {
		p, err := draw(v)
		if err != nil {
			return nil, err
		}
		for _, p.Theme = range themes {
			content, err := execute(t, "bars.svg.tmpl", p)
			if err != nil {
				return nil, err
			}
			files = append(files, file{filepath.Join(root, "docs", "images", name+"-"+p.Theme.Name+".svg"), content})
		}
	}
	return files, nil
}

// drawHits draws two bars for each cache: for one goroutine, and for one goroutine per core.
func drawHits(v view) (p picture, err error) {
	counts := v.goroutines()
	pair := slices.Compact([]int{counts[0], counts[len(counts)-1]})
	samples, longest := v.results["hits"].Samples(), 0.0
	times := map[string][]float64{}
	for _, c := range cacheNames {
		for _, n := range pair {
			all, err := values(samples, hit("hot", n, c.id), "ns/op")
			if err != nil {
				return p, err
			}
			times[c.id] = append(times[c.id], median(all))
			longest = max(longest, median(all))
		}
	}
	p = picture{Title: "Time of a cache hit: all goroutines read one secret", Note: machineNote(v, "hits") + ". Shorter is better."}
	for i, n := range pair {
		p.Legend = append(p.Legend, label{X: barsFrom + 130*i, Y: 64, Series: i, Text: thousands(float64(n)) + " goroutine" + plural(n)})
	}
	y := top
	for _, c := range cacheNames {
		p.Labels = append(p.Labels, label{X: barsFrom - 10, Y: y + 19, Text: c.name, Strong: strings.HasPrefix(c.name, "hush")})
		for i, ns := range times[c.id] {
			p.Bars = append(p.Bars, bar{Y: y + 14*i, Height: 13, Width: int(ns / longest * (barsTo - barsFrom)), Series: i, Value: showTime(ns)})
		}
		y += 38
	}
	p.Height = y + 4
	return p, nil
}

// A publishedRead is a latency measured by others.
type publishedRead struct {
	Read, Time, Source string
	ns                 float64 // of its bar; zero means not in the picture
}

var publishedReads = []publishedRead{
	{"first read by the AWS SDK", "up to 1 s", "N. Jayasuriya, AWS – Lambda functions and Secrets Manager performance", 1e9},
	{"first read through the Lambda extension", "under 50 ms", "N. Jayasuriya, AWS – Lambda functions and Secrets Manager performance", 0},
	{"AWS SDK, new connection", "177 ms", "A. Stuyvenberg, 2024", 177e6},
	{"AWS SDK, kept connection", "29 ms", "A. Stuyvenberg, 2024", 29e6},
	{"AWS SDK", "580 ms", "Aquia, 2023", 0},
	{"Lambda extension", "12 ms", "Aquia, 2023", 0},
}

// drawPath draws a bar for each read of a secret, from Secrets Manager to memory, on a
// logarithmic scale.
func drawPath(v view) (p picture, err error) {
	p = picture{Title: "One secret, from Secrets Manager to memory", Note: machineNote(v, "path") + ", and a store that takes 30 ms. Logarithmic scale."}
	p.Legend = []label{{X: barsFrom, Y: 64, Series: 1, Text: "published by others"}, {X: barsFrom + 170, Y: 64, Series: 0, Text: "measured"}}
	y := top
	add := func(name string, series int, ns float64, value string) {
		p.Labels = append(p.Labels, label{X: barsFrom - 10, Y: y + 15, Text: name, Strong: name == "cachettl, a hit"})
		p.Bars = append(p.Bars, bar{Y: y, Height: 20, Width: logWidth(ns), Series: series, Value: value})
		y += 28
	}
	for _, r := range publishedReads {
		if r.ns > 0 {
			add(r.Read, 1, r.ns, r.Time)
		}
	}
	for _, m := range []struct{ name, benchmark string }{
		{"AWS SDK, first read", "Path/sdk/first"},
		{"extension, first read", "Path/extension/first"},
		{"extension, kept connection", "Path/extension/warm"},
		{"cachettl, a hit", "Path/memory"},
	} {
		all, err := values(v.results["path"].Samples(), m.benchmark, "ns/op")
		if err != nil {
			return p, err
		}
		add(m.name, 0, median(all), showTime(median(all)))
	}
	for ns := 10.0; ns <= 1e9; ns *= 10 {
		p.Ticks = append(p.Ticks, label{X: barsFrom + logWidth(ns), Y: y + 16, Text: trailingZeros.Replace(showTime(ns))})
	}
	p.Height = y + 28
	return p, nil
}

// trailingZeros removes the decimals of round numbers.
var trailingZeros = strings.NewReplacer(".00", "", ".0", "")

// logWidth returns the length of a bar between 10 ns and 1 s.
func logWidth(ns float64) int {
	return int((math.Log10(max(ns, 10)) - 1) / 8 * (barsTo - barsFrom))
}

// machineNote describes the machine that measured a section.
func machineNote(v view, section string) string {
	r := v.results[section]
	return "Measured with " + strings.Replace(r.Go, "go", "Go ", 1) + " on " + r.Machine
}
