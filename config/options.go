package config

import (
	"os"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
)

// What a Config means to the packages that it configures.

// withDefaults returns c with all that is not given at its default. For logger it is
// not: a Logger without a Log.Level has its own.
func (c *Config) withDefaults() *Config {
	full := *c
	for _, s := range settings() {
		if s.get(c) == nil {
			_ = s.parse(&full, s.otherwise) // which a test sees work
		}
	}
	if c.Cache.StaleWait == nil && os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		full.Cache.StaleWait = full.Cache.FetchTimeout // a fetch in the background does not end in Lambda
	}
	return &full
}

// offAtZero converts a setting that 0 turns off to an option whose zero is a default
// and whose negative turns off.
func offAtZero[T int | float64 | time.Duration](given T) T {
	if given == 0 {
		return -1
	}
	return given
}

func (p Policy) policy() chain.Policy {
	switch p {
	case PolicyAny:
		return chain.AnyFailure
	case PolicyOutages:
		return chain.OutagesOnly
	}
	return nil
}

// options are those of a Breaker with its defaults.
func (b *Breaker) options() chain.Breaker {
	return chain.Breaker{Failures: offAtZero(*b.Failures), Wait: *b.Wait, MaxWait: *b.MaxWait}
}

// cacheOptions are those of a Config with its defaults.
func (c *Config) cacheOptions(logger *zap.Logger) *cachettl.Options {
	return &cachettl.Options{
		Jitter:               offAtZero(*c.Cache.Jitter),
		StaleIfError:         *c.Cache.StaleIfError,
		StaleWait:            offAtZero(*c.Cache.StaleWait),
		StaleWhileRevalidate: *c.Cache.StaleWhileRevalidate,
		RefreshAhead:         *c.Cache.RefreshAhead,
		NegativeTTL:          *c.Cache.NegativeTTL,
		MaxEntries:           *c.Cache.MaxEntries,
		MaxFetches:           offAtZero(*c.Cache.MaxFetches),
		FetchTimeout:         *c.Cache.FetchTimeout,
		MinRefresh:           offAtZero(*c.Cache.MinRefresh),
		OnRotate: func(ref hush.Ref, old, current hush.Secret) {
			logger.Info("secret rotated", zap.String("provider", current.Source), zap.String("secret", ref.String()),
				zap.String("version", current.Version), zap.String("before", old.Version))
			if c.OnRotate != nil {
				c.OnRotate(ref, old, current)
			}
		},
		OnStale: func(ref hush.Ref, stale hush.Secret, why error) {
			logger.Warn("secret served stale", zap.String("provider", stale.Source), zap.String("secret", ref.String()),
				zap.String("version", stale.Version), zap.NamedError("error", why))
			if c.OnStale != nil {
				c.OnStale(ref, stale, why)
			}
		},
	}
}

// logger returns what lines go to.
func (c *Config) logger() *zap.Logger {
	level := c.Log.Level
	switch {
	case level == LevelOff, level == "" && c.Logger == nil:
		return zap.NewNop()
	case level == "":
		return c.Logger
	case c.Logger == nil:
		encoding := zap.NewProductionEncoderConfig()
		encoding.EncodeTime = zapcore.RFC3339NanoTimeEncoder
		encoding.EncodeDuration = zapcore.StringDurationEncoder
		return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(encoding), zapcore.Lock(os.Stderr), level.zap()))
	case zapcore.LevelOf(c.Logger.Core()) >= level.zap():
		return c.Logger // which an increase to less would complain about
	}
	return c.Logger.WithOptions(zap.IncreaseLevel(level.zap()))
}

func (l Level) zap() zapcore.Level {
	switch l {
	case LevelDebug:
		return zapcore.DebugLevel
	case LevelInfo:
		return zapcore.InfoLevel
	case LevelWarn:
		return zapcore.WarnLevel
	}
	return zapcore.ErrorLevel
}
