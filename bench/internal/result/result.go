// Package result stores the measurements of the sections of the report. The tables, pictures and
// figures in the documents are rendered from stored results only.
package result

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Result is the raw output of a section and the conditions of its measurement. Measurements
// are lines in the Go benchmark data format, one for each benchmark and round. benchstat can read
// them.
type Result struct {
	Section string   `json:"section"`
	Command string   `json:"command"` // measures the section; runs in the root of the repository
	Date    string   `json:"date"`    // 2006-01-02, UTC
	Go      string   `json:"go"`      // go1.26.8
	Machine string   `json:"machine"` // CPU, cores, system
	Output  []string `json:"output"`
}

// New returns a Result without output, for this time and machine.
func New(section, command string) *Result {
	return &Result{
		Section: section, Command: command,
		Date: time.Now().UTC().Format(time.DateOnly), Go: runtime.Version(), Machine: machine(),
	}
}

// machine returns the CPU, the number of cores that this process may use, and the operating
// system.
func machine() string {
	return fmt.Sprintf("%s, %d cores, %s/%s", cmp.Or(cpuModel("/proc/cpuinfo"), "unknown CPU"), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
}

// cpuModel returns the first model name in the file, or "".
func cpuModel(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return ""
}

// Add appends a measurement of one round of a benchmark. values are by unit. The name starts
// with Benchmark and has no spaces. Slashes separate its parts.
func (r *Result) Add(benchmark string, values map[string]float64) {
	fields := []string{benchmark, "1"}
	for _, unit := range slices.Sorted(maps.Keys(values)) {
		fields = append(fields, fmt.Sprint(values[unit]), unit)
	}
	r.Output = append(r.Output, strings.Join(fields, " "))
}

// AddText appends the lines of the output of a command. It replaces the spaces between the
// columns of a measurement with one space.
func (r *Result) AddText(text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \r\n")
		if strings.HasPrefix(line, "Benchmark") {
			line = strings.Join(strings.Fields(line), " ")
		}
		r.Output = append(r.Output, line)
	}
}

// Samples are the values of each benchmark by unit, in the order of the rounds.
type Samples map[string]map[string][]float64

// gomaxprocs is the suffix of the name of a benchmark.
var gomaxprocs = regexp.MustCompile(`-\d+$`)

// Samples parses the measurements in r. It removes the prefix Benchmark and the GOMAXPROCS suffix
// from names, and ignores other lines.
func (r *Result) Samples() Samples {
	s := Samples{}
	for _, line := range r.Output {
		fields := strings.Fields(line)
		if !strings.HasPrefix(line, "Benchmark") || len(fields) < 4 || len(fields)%2 != 0 {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		s.add(gomaxprocs.ReplaceAllString(name, ""), fields[2:])
	}
	return s
}

// add parses pairs of a value and its unit.
func (s Samples) add(name string, pairs []string) {
	if s[name] == nil {
		s[name] = map[string][]float64{}
	}
	for pair := range slices.Chunk(pairs, 2) {
		if value, err := strconv.ParseFloat(pair[0], 64); err == nil {
			s[name][pair[1]] = append(s[name][pair[1]], value)
		}
	}
}

// Save writes r to its file in dir.
func (r *Result) Save(dir string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // results are public
		return err
	}
	return os.WriteFile(filepath.Join(dir, r.Section+".json"), append(text, '\n'), 0o644) //nolint:gosec // results are public
}

// Load returns all results in dir by section. If dir does not exist, the map is empty.
func Load(dir string) (map[string]*Result, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	all := map[string]*Result{}
	for _, file := range files {
		text, readErr := os.ReadFile(file)
		var r Result
		if err := errors.Join(readErr, json.Unmarshal(text, &r)); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if r.Section+".json" != filepath.Base(file) {
			return nil, fmt.Errorf("%s: wrong section %q; rename the file", file, r.Section)
		}
		all[r.Section] = &r
	}
	return all, nil
}
