package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// What a value looks like as text, and which values there are.

// maxNumber is the longest number that an error quotes. A longer one may be a secret
// in the wrong place.
const maxNumber = 6

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil {
		return d, nil
	}
	if _, err := time.ParseDuration(text + "s"); err == nil && len(text) <= maxNumber {
		return 0, fmt.Errorf("has no unit: write %ss for seconds", text)
	}
	return 0, errors.New("is no duration, such as 500ms, 30s, 5m or 1h")
}

// formatDuration returns the text of d without the units that say nothing.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func parseCount(text string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("is no whole number up to %d", math.MaxInt32)
	}
	return int(n), nil
}

func parseFraction(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, errNoFraction
	}
	return f, nil
}

var errNoFraction = errors.New("is no number from 0 to 1")

func isFraction(f float64) error {
	if f >= 0 && f <= 1 { // which is false of NaN
		return nil
	}
	return errNoFraction
}

func notNegative[T int | time.Duration](v T) error {
	if v < 0 {
		return errors.New("is negative")
	}
	return nil
}

func isPositive[T int | time.Duration](v T) error {
	if v <= 0 {
		return errors.New("is not more than 0: leave it out for its default")
	}
	return nil
}
