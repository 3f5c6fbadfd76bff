package main

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// limits returns the table of the comparisons with a limit.
func (v view) limits() (string, error) {
	return v.table(func(c comparison) bool { return c.limit != "" })
}

// rows returns the table of the comparisons of sections.
func (v view) rows(sections ...string) (string, error) {
	return v.table(func(c comparison) bool { return slices.Contains(sections, c.section) })
}

func (v view) table(include func(comparison) bool) (string, error) {
	rows := [][]string{columns}
	for _, c := range comparisons {
		if !include(c) {
			continue
		}
		n, err := c.evaluate(v.results)
		if err != nil {
			return "", err
		}
		rows = append(rows, c.cells(n))
	}
	return markdown(rows), nil
}

// markdown formats a table. The first row is the header.
func markdown(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		for _, cell := range row {
			b.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// sources returns the table of the command, date and machine of each section.
func (v view) sources() string {
	rows := [][]string{{"section", "command", "date", "Go", "machine"}}
	for _, name := range slices.Sorted(maps.Keys(v.results)) {
		r := v.results[name]
		rows = append(rows, []string{r.Section, "`" + r.Command + "`", r.Date, r.Go, r.Machine})
	}
	return markdown(rows)
}

// cacheNames are the names of the caches in documents.
var cacheNames = []struct{ id, name string }{
	{"hush", "hush"},
	{"hush+handle", "hush, by handle"},
	{"hush+field", "hush, with a field"},
	{"hush+CountHits", "hush, with CountHits"},
	{"otter", "otter"},
	{"golang-lru", "golang-lru expirable"},
	{"ttlcache", "ttlcache"},
	{"CredentialsCache", "aws.CredentialsCache"},
	{"syncmap+clock", "sync.Map and time.Now"},
}

// hits returns the table of the time of a hit by cache and number of goroutines.
func (v view) hits(mode string) (string, error) {
	r, err := v.result("hits")
	if err != nil {
		return "", err
	}
	samples, counts := r.Samples(), v.goroutines()
	header := []string{"cache"}
	for _, n := range counts {
		header = append(header, fmt.Sprintf("%d goroutine%s", n, plural(n)))
	}
	rows := [][]string{header}
	for _, c := range cacheNames {
		row := []string{c.name}
		for _, n := range counts {
			if ns, err := values(samples, hit(mode, n, c.id), "ns/op"); err == nil {
				row = append(row, showTime(median(ns)))
			}
		}
		if len(row) == len(header) { // a cache for one secret has no value for many
			rows = append(rows, row)
		}
	}
	return markdown(rows), nil
}

// coldStartPrograms are the programs of the command coldstart.
var coldStartPrograms = []struct{ id, program, name string }{
	{"recipe/extension", "recipe", "the recipe: net/http, encoding/json"},
	{"extension/extension", "extension", "`extension`"},
	{"lean/extension", "lean", "`config`: extension, env; extension responds"},
	{"linked/extension", "linked", "the same, linked with the SDKs of AWS and Vault"},
	{"chain/extension", "chain", "`chain`: extension, direct; extension responds"},
	{"all/extension", "all", "`config/all`: extension responds"},
	{"sdk/direct", "sdk", "bare AWS SDK"},
	{"sdkvault/direct", "sdkvault", "the same, linked with Vault's client"},
	{"chain/direct", "chain", "`chain`: extension, direct; direct responds"},
	{"all/direct", "all", "`config/all`: direct responds"},
}

// coldStarts returns the table of the time from exec to the first secret.
func (v view) coldStarts() (string, error) {
	r, err := v.result("coldstart")
	if err != nil {
		return "", err
	}
	samples := r.Samples()
	rows := [][]string{{"program", "full core, 0 ms", "30 ms", "CPU", "share of 128 MB, 0 ms", "30 ms", "CPU", "bytes", "packages", "init", "allocations in init"}}
	for _, s := range coldStartPrograms {
		row := []string{s.name}
		cell := func(benchmark, unit string) {
			text := "not measured"
			if all, err := values(samples, benchmark, unit); err == nil {
				text = show(median(all), unit)
			}
			row = append(row, text)
		}
		for _, share := range []string{"core", "128MB"} {
			prefix := "ColdStart/share=" + share + "/latency="
			cell(prefix+"0s/"+s.id, "ns/op")
			cell(prefix+"30ms/"+s.id, "ns/op")
			cell(prefix+"0s/"+s.id, "cpu-ns/op")
		}
		for _, unit := range []string{"bytes", "packages", "init-ns/op", "init-allocs"} {
			cell("Program/"+s.program, unit)
		}
		rows = append(rows, row)
	}
	return markdown(rows), nil
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

var hotHit = regexp.MustCompile(`^Hit/hot/goroutines=(\d+)/hush$`)

// goroutines returns the numbers of goroutines of the benchmarks of hits.
func (v view) goroutines() []int {
	counts := map[int]bool{}
	for name := range v.results["hits"].Samples() {
		if m := hotHit.FindStringSubmatch(name); m != nil {
			n, _ := strconv.Atoi(m[1])
			counts[n] = true
		}
	}
	return slices.Sorted(maps.Keys(counts))
}

// measured returns the median of a benchmark.
func (v view) measured(section, benchmark, unit string) (string, error) {
	r, err := v.result(section)
	if err != nil {
		return "", err
	}
	all, err := values(r.Samples(), benchmark, unit)
	if err != nil {
		return "", err
	}
	return show(median(all), unit), nil
}

// compared returns the median ratio of two benchmarks with the given number of decimals.
func (v view) compared(section, ours, floor, unit string, digits int) (string, error) {
	n, err := comparison{section: section, ours: ours, floor: floor, unit: unit}.evaluate(v.results)
	return strconv.FormatFloat(n.value, 'f', digits, 64), err
}

// output returns the output of a command.
func (v view) output(section string) (string, error) {
	r, err := v.result(section)
	if err != nil {
		return "", err
	}
	return strings.Trim(strings.Join(r.Output, "\n"), "\n"), nil
}

// excerpt returns lines of the output of a command, starting at the first line that contains
// from.
func (v view) excerpt(section, from string, lines int) (string, error) {
	r, err := v.result(section)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(r.Output, func(line string) bool { return strings.Contains(line, from) })
	if i < 0 || i+lines > len(r.Output) {
		return "", fmt.Errorf("the output of section %s does not have %d lines from %q", section, lines, from)
	}
	return strings.Join(r.Output[i:i+lines], "\n"), nil
}

var columnGap = regexp.MustCompile(` {2,}`)

// tables returns the tables in the output of a command. Two spaces separate columns.
func (v view) tables(section string) ([]string, error) {
	r, err := v.result(section)
	if err != nil {
		return nil, err
	}
	var tables []string
	var rows [][]string
	flush := func() {
		if len(rows) > 1 {
			tables = append(tables, markdown(rows))
		}
		rows = nil
	}
	for _, line := range r.Output {
		row := columnGap.Split(strings.TrimSpace(line), -1)
		if len(rows) > 0 && len(row) != len(rows[0]) {
			flush()
		}
		if len(row) > 1 {
			rows = append(rows, row)
		}
	}
	flush()
	if len(tables) == 0 {
		return nil, cmp.Or(err, fmt.Errorf("the output of %s has no table", section))
	}
	return tables, nil
}
