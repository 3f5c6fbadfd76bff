package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hush-secrets/hush/internal/suggest"
)

// A Setting is one value of a Config with a key in files and an environment variable.
type Setting struct {
	Key      string // in a file: cache.ttl is the key ttl of the mapping cache
	Variable string // name of the environment variable
	Default  string // as in a file

	set func(c *Config, text string) error // errors continue a sentence about the key
}

// Settings returns all settings except the providers and their names, in the order of
// the documentation.
func Settings() []Setting { return slices.Clone(settings()) }

// settings returns all settings. It builds them on first use. Callers do not change
// them.
var settings = sync.OnceValue(func() []Setting {
	return []Setting{
		setting("cache.ttl", "5m", number(parseDuration, turnsOff, func(c *Config) *time.Duration { return &c.CacheTTL })),
		setting("cache.stale_if_error", "1h", number(parseDuration, turnsOff, func(c *Config) *time.Duration { return &c.Cache.StaleIfError })),
		setting("cache.stale_wait", "100ms", number(parseDuration, turnsOff, func(c *Config) *time.Duration { return &c.Cache.StaleWait })),
		setting("cache.stale_while_revalidate", "0", number(parseDuration, turnsOff, func(c *Config) *time.Duration { return &c.Cache.StaleWhileRevalidate })),
		setting("cache.refresh_ahead", "0", number(parseDuration, turnsOff, func(c *Config) *time.Duration { return &c.Cache.RefreshAhead })),
		setting("cache.negative_ttl", "0", number(parseDuration, turnsOff, func(c *Config) *time.Duration { return &c.Cache.NegativeTTL })),
		setting("cache.jitter", "0.1", number(parseFraction, turnsOff, func(c *Config) *float64 { return &c.Cache.Jitter })),
		setting("cache.max_entries", "1000", number(parseCount, isInvalid, func(c *Config) *int { return &c.Cache.MaxEntries })),
		setting("cache.max_fetches", "64", number(parseCount, turnsOff, func(c *Config) *int { return &c.Cache.MaxFetches })),
		setting("cache.fetch_timeout", "5s", number(parseDuration, isInvalid, func(c *Config) *time.Duration { return &c.Cache.FetchTimeout })),
		setting("cache.min_refresh", "1s", number(parseDuration, turnsOff, func(c *Config) *time.Duration { return &c.Cache.MinRefresh })),
		setting("breaker.failures", "5", number(parseCount, turnsOff, func(c *Config) *int { return &c.Breaker.Failures })),
		setting("breaker.wait", "1s", number(parseDuration, isInvalid, func(c *Config) *time.Duration { return &c.Breaker.Wait })),
		setting("breaker.max_wait", "30s", number(parseDuration, isInvalid, func(c *Config) *time.Duration { return &c.Breaker.MaxWait })),
		setting("policy", "any", word(isPolicy, func(c *Config) *Policy { return &c.Policy })),
		setting("log.level", "off", word(isLevel, func(c *Config) *string { return &c.LogLevel })),
		setting("verify", "false", setVerify),
	}
})

func setting(key, byDefault string, set func(*Config, string) error) Setting {
	return Setting{Key: key, Variable: variable(key), Default: byDefault, set: set}
}

// variable returns the environment variable of a key.
func variable(key string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// A zeroRule says what the text 0 means for a setting.
type zeroRule bool

const (
	turnsOff  zeroRule = true // a negative value in a Config
	isInvalid zeroRule = false
)

func number[T int | float64 | time.Duration](parse func(string) (T, error), zero zeroRule, field func(*Config) *T) func(*Config, string) error {
	return func(c *Config, text string) error {
		v, err := parse(text)
		switch {
		case err != nil:
			return err
		case v == 0 && zero == turnsOff:
			v = -1
		case v < 0 && zero == turnsOff:
			return errors.New("must not be negative; write 0 to turn it off")
		default:
			err = isPositive(v, "its default")
		}
		if err == nil {
			*field(c) = v
		}
		return err
	}
}

func isPositive[T int | float64 | time.Duration](v T, otherwise string) error {
	if v <= 0 {
		return fmt.Errorf("must be more than 0; remove it to use %s", otherwise)
	}
	return nil
}

func word[T ~string](check func(T) error, field func(*Config) *T) func(*Config, string) error {
	return func(c *Config, text string) error {
		if text == "" {
			return errNoValue
		}
		err := check(T(text))
		if err == nil {
			*field(c) = T(text)
		}
		return err
	}
}

var errNoValue = errors.New("has no value; remove it to use its default")

func setVerify(c *Config, text string) error {
	c.Verify = text == "true"
	if !c.Verify && text != "false" {
		return errors.New("must be true or false")
	}
	return nil
}

// oneOf returns an error unless v is empty or known.
func oneOf[T ~string](v T, known ...T) error {
	if v == "" || slices.Contains(known, v) {
		return nil
	}
	texts := make([]string, len(known))
	for i, k := range known {
		texts[i] = string(k)
	}
	last := len(texts) - 1
	return fmt.Errorf("must be %s or %s%s", strings.Join(texts[:last], ", "), texts[last], suggest.Hint(string(v), texts))
}

// maxQuoted is the length of the longest number that an error quotes. A longer one may
// be a secret in the wrong place.
const maxQuoted = 6

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil {
		return d, nil
	}
	if _, err := time.ParseDuration(text + "s"); err == nil && len(text) <= maxQuoted {
		return 0, fmt.Errorf("has no unit; write %ss for seconds", text)
	}
	return 0, errors.New("must be a duration; write for example 500ms, 30s, 5m or 1h")
}

func parseCount(text string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("must be a whole number up to %d", math.MaxInt32)
	}
	return int(n), nil
}

func parseFraction(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0 && f <= 1) { // NaN is not in the range
		return 0, errors.New("must be a number from 0 to 1")
	}
	return f, nil
}
