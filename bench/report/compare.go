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

// How a comparison compares.
type relation int

const (
	ratio      relation = iota // ours / floor
	difference                 // ours - floor
	absolute                   // ours alone
)

// A comparison is of one benchmark with another. Its value is the median over the
// rounds, because what slows a shared machine down for a second slows both
// benchmarks of a round.
type comparison struct {
	section   string
	operation string
	beside    string // what floor is
	ours      string // a benchmark; with *, the largest value of those that match
	floor     string
	unit      string // empty: ns/op
	by        relation
	turns     string // a benchmark that runs both in turns; its ratio is the value
	limit     limit
	mayLack   string  // why the measurement may be missing; empty: it may not
	enough    float64 // if ours is at most this, the limit is met, too; zero: no such rule
}

// A limit is a bound on the value, such as "≤ 0.72" or "≥ 1.7". Empty means none.
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

// A comparison's numbers: medians, and the range of the value over the rounds.
type numbers struct {
	ours, floor float64
	value       float64
	low, high   float64 // without the lowest and the highest tenth
	met         bool
	missing     bool // the measurement, which may be
}

var errNoSample = errors.New("no such measurement, or not in every round")

// on computes the comparison from the results of its section.
func (c comparison) on(results map[string]*result.Result) (n numbers, err error) {
	r := results[c.section]
	if r == nil {
		return n, fmt.Errorf("section %s: %w", c.section, errNoSample)
	}
	samples, unit := r.Samples(), cmp.Or(c.unit, "ns/op")
	ours, err := values(samples, c.ours, unit)
	if err != nil && c.mayLack != "" {
		return numbers{missing: true}, nil
	}
	if err != nil {
		return n, fmt.Errorf("section %s: %w", c.section, err)
	}
	floor := make([]float64, len(ours))
	if c.floor != "" {
		floor, err = values(samples, c.floor, unit)
		switch {
		case err != nil && c.mayLack != "":
			return numbers{missing: true}, nil
		case err != nil || len(floor) != len(ours):
			return n, fmt.Errorf("section %s: %s: %w", c.section, c.floor, cmp.Or(err, errNoSample))
		}
	}
	all := make([]float64, len(ours))
	for i := range ours {
		all[i] = c.value(ours[i], floor[i])
	}
	if c.turns != "" {
		if all, err = values(samples, c.turns, "ours/bare"); err != nil {
			return n, fmt.Errorf("section %s: %w", c.section, err)
		}
	}
	n = numbers{ours: median(ours), floor: median(floor), value: median(all)}
	slices.Sort(all)
	n.low, n.high = all[len(all)/10], all[len(all)-1-len(all)/10]
	n.met = c.limit.allows(n.value) || c.enough > 0 && n.ours <= c.enough
	return n, nil
}

func (c comparison) value(ours, floor float64) float64 {
	switch c.by {
	case difference:
		return ours - floor
	case absolute:
		return ours
	default:
		return ours / floor
	}
}

// values returns the values of a benchmark round by round. Of several that match a
// pattern it returns the largest.
func values(samples result.Samples, pattern, unit string) (largest []float64, err error) {
	for name, units := range samples {
		if ok, err := path.Match(pattern, name); err != nil || !ok && name != pattern {
			continue
		}
		found := units[unit]
		if largest == nil {
			largest = slices.Clone(found)
		}
		for i := range min(len(largest), len(found)) {
			largest[i] = max(largest[i], found[i])
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
