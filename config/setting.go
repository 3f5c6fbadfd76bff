package config

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hush-secrets/hush/internal/suggest"
)

// A Setting is one value of a Config, as files and variables call it.
type Setting struct {
	Key      string // in a file: ttl below cache is cache.ttl
	Variable string
	Default  string // what Open takes if it is not given
}

// Settings returns all settings but the providers, which have no default, and their
// names, in the order in which they are documented.
func Settings() []Setting {
	var all []Setting
	for _, s := range settings() {
		all = append(all, Setting{s.key, variable(s.key), s.otherwise})
	}
	return all
}

// A setting is one value of a Config that has a key in a file and a variable. Its
// text is the same in all forms. Errors read on after the key, and quote no value.
type setting struct {
	key       string
	otherwise string // the text of its default
	parse     func(c *Config, text string) error
	get       func(c *Config) any   // for printing; nil: not given
	check     func(c *Config) error // of what was given
}

// settings returns all settings except the providers and their names. It builds them
// on first use. Callers do not change them.
var settings = sync.OnceValue(func() []setting {
	return []setting{
		duration("cache.ttl", "5m", notNegative, func(c *Config) **time.Duration { return &c.Cache.TTL }),
		duration("cache.stale_if_error", "1h", notNegative, func(c *Config) **time.Duration { return &c.Cache.StaleIfError }),
		duration("cache.stale_wait", "100ms", notNegative, func(c *Config) **time.Duration { return &c.Cache.StaleWait }),
		duration("cache.stale_while_revalidate", "0", notNegative, func(c *Config) **time.Duration { return &c.Cache.StaleWhileRevalidate }),
		duration("cache.refresh_ahead", "0", notNegative, func(c *Config) **time.Duration { return &c.Cache.RefreshAhead }),
		duration("cache.negative_ttl", "0", notNegative, func(c *Config) **time.Duration { return &c.Cache.NegativeTTL }),
		pointer("cache.jitter", "0.1", parseFraction, isFraction, func(c *Config) **float64 { return &c.Cache.Jitter }),
		pointer("cache.max_entries", "1000", parseCount, isPositive, func(c *Config) **int { return &c.Cache.MaxEntries }),
		pointer("cache.max_fetches", "64", parseCount, notNegative, func(c *Config) **int { return &c.Cache.MaxFetches }),
		duration("cache.fetch_timeout", "5s", isPositive, func(c *Config) **time.Duration { return &c.Cache.FetchTimeout }),
		duration("cache.min_refresh", "1s", notNegative, func(c *Config) **time.Duration { return &c.Cache.MinRefresh }),
		pointer("breaker.failures", "5", parseCount, notNegative, func(c *Config) **int { return &c.Breaker.Failures }),
		duration("breaker.wait", "1s", isPositive, func(c *Config) **time.Duration { return &c.Breaker.Wait }),
		duration("breaker.max_wait", "30s", isPositive, func(c *Config) **time.Duration { return &c.Breaker.MaxWait }),
		word("policy", func(c *Config) *Policy { return &c.Policy }, PolicyAny, PolicyOutages),
		word("log.level", func(c *Config) *Level { return &c.Log.Level }, LevelOff, LevelDebug, LevelInfo, LevelWarn, LevelError),
		verify(),
	}
})

// variable returns the environment variable of a key.
func variable(key string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func pointer[T any](key, otherwise string, parse func(string) (T, error), check func(T) error, field func(*Config) **T) setting {
	return setting{
		key: key, otherwise: otherwise,
		parse: func(c *Config, text string) error {
			v, err := parse(text)
			if err == nil {
				*field(c) = &v
			}
			return err
		},
		get: func(c *Config) any {
			if v := *field(c); v != nil {
				return *v
			}
			return nil
		},
		check: func(c *Config) error {
			if v := *field(c); v != nil {
				return check(*v)
			}
			return nil
		},
	}
}

func duration(key, otherwise string, check func(time.Duration) error, field func(*Config) **time.Duration) setting {
	s := pointer(key, otherwise, parseDuration, check, field)
	get := s.get
	s.get = func(c *Config) any {
		if d, ok := get(c).(time.Duration); ok {
			return formatDuration(d)
		}
		return nil
	}
	return s
}

// word is a setting whose value is one of a few, by default the first; empty is not
// given.
func word[T ~string](key string, field func(*Config) *T, known ...T) setting {
	return setting{
		key: key, otherwise: string(known[0]),
		parse: func(c *Config, text string) error {
			if text == "" {
				return errors.New("is empty: leave it out for its default")
			}
			*field(c) = T(text)
			return nil
		},
		get: func(c *Config) any {
			if text := *field(c); text != "" {
				return string(text)
			}
			return nil
		},
		check: func(c *Config) error { return oneOf(*field(c), known...) },
	}
}

func verify() setting {
	return setting{
		key: "verify", otherwise: "false",
		parse: func(c *Config, text string) error {
			if text != "true" && text != "false" {
				return errors.New("is true or false")
			}
			c.Verify = text == "true"
			return nil
		},
		get: func(c *Config) any {
			if c.Verify {
				return true
			}
			return nil
		},
		check: func(*Config) error { return nil },
	}
}

// oneOf returns an error unless v is one of known, or empty.
func oneOf[T ~string](v T, known ...T) error {
	if v == "" || slices.Contains(known, v) {
		return nil
	}
	texts := make([]string, len(known))
	for i, k := range known {
		texts[i] = string(k)
	}
	last := len(texts) - 1
	return errors.New("is " + strings.Join(texts[:last], ", ") + " or " + texts[last] + suggest.Hint(string(v), texts))
}
