package main

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hush-secrets/hush/bench/internal/result"
)

// A relation defines the value of a comparison.
type relation int

const (
	ratio      relation = iota // ours / floor
	difference                 // ours - floor
	absolute                   // ours
)

// A comparison compares a benchmark of hush with a benchmark of a peer or a floor. Its value is
// the median over the rounds, because other load on the machine affects both benchmarks of a
// round.
type comparison struct {
	section     string
	operation   string
	baseline    string // name of the peer or floor in tables
	ours        string // name of a benchmark; a pattern with * means the largest value
	floor       string // name of the benchmark of the baseline; empty means none
	unit        string // empty means ns/op
	relation    relation
	alternating string // benchmark that alternates between both, in place of ours and floor
	limit       limit
	optional    string  // why the measurement may be missing; empty means it must exist
	sufficient  float64 // the limit is also met if ours is at most this; zero means no such rule
}

// A limit is a bound of the value, such as "≤ 0.72" or "≥ 1.7". Empty means no limit.
type limit string

func (l limit) bound() float64 {
	_, number, _ := strings.Cut(string(l), " ")
	bound, _ := strconv.ParseFloat(number, 64)
	return bound
}

func (l limit) allows(value float64) bool {
	switch {
	case strings.HasPrefix(string(l), "≤"):
		return value <= l.bound()
	case strings.HasPrefix(string(l), "≥"):
		return value >= l.bound()
	default:
		return true
	}
}

// numbers are the result of a comparison: medians, and the range over the rounds.
type numbers struct {
	ours, floor float64
	value       float64
	low, high   float64 // without the lowest and the highest tenth
	met         bool
	missing     bool // the optional measurement does not exist
}

var errNoSample = errors.New("no measurement, or not in every round")

// A series is the values of a benchmark in one unit, one for each round.
type series struct{ benchmark, unit string }

// series returns the two series that c compares.
func (c comparison) series() (ours, floor series) {
	if c.alternating != "" {
		return series{c.alternating, "ours-ns/op"}, series{c.alternating, "bare-ns/op"}
	}
	unit := cmp.Or(c.unit, "ns/op")
	return series{c.ours, unit}, series{c.floor, unit}
}

// evaluate computes the comparison from the results of its section.
func (c comparison) evaluate(results map[string]*result.Result) (n numbers, err error) {
	r := results[c.section]
	if r == nil {
		return n, fmt.Errorf("section %s: %w", c.section, errNoSample)
	}
	samples := r.Samples()
	oursSeries, floorSeries := c.series()
	ours, err := values(samples, oursSeries.benchmark, oursSeries.unit)
	if err != nil && c.optional != "" {
		return numbers{missing: true}, nil
	}
	if err != nil {
		return n, fmt.Errorf("section %s: %w", c.section, err)
	}
	floor := make([]float64, len(ours))
	if floorSeries.benchmark != "" {
		floor, err = values(samples, floorSeries.benchmark, floorSeries.unit)
		switch {
		case err != nil && c.optional != "":
			return numbers{missing: true}, nil
		case err != nil || len(floor) != len(ours):
			return n, fmt.Errorf("section %s: %s: %w", c.section, floorSeries.benchmark, cmp.Or(err, errNoSample))
		}
	}
	rounds := make([]float64, len(ours))
	for i := range ours {
		rounds[i] = c.value(ours[i], floor[i])
	}
	n = numbers{ours: median(ours), floor: median(floor), value: median(rounds)}
	slices.Sort(rounds)
	n.low, n.high = rounds[len(rounds)/10], rounds[len(rounds)-1-len(rounds)/10]
	n.met = c.limit.allows(n.value) || c.sufficient > 0 && n.ours <= c.sufficient
	return n, nil
}

func (c comparison) value(ours, floor float64) float64 {
	switch c.relation {
	case difference:
		return ours - floor
	case absolute:
		return ours
	default:
		return ours / floor
	}
}

// values returns the value of a benchmark in each round. If several benchmarks match a pattern,
// it returns the largest value.
func values(samples result.Samples, pattern, unit string) (largest []float64, err error) {
	for name, units := range samples {
		if ok, err := path.Match(pattern, name); err != nil || !ok && name != pattern {
			continue
		}
		rounds := units[unit]
		if largest == nil {
			largest = slices.Clone(rounds)
		}
		for i := range min(len(largest), len(rounds)) {
			largest[i] = max(largest[i], rounds[i])
		}
	}
	if len(largest) == 0 {
		return nil, fmt.Errorf("%s in %s: %w", pattern, unit, errNoSample)
	}
	return largest, nil
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
