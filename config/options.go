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

func or[T any](given *T, otherwise T) T {
	if given == nil {
		return otherwise
	}
	return *given
}

// offAtZero converts a setting that 0 turns off to an option whose zero is a default
// and whose negative turns off.
func offAtZero[T int | float64 | time.Duration](given *T) T {
	switch {
	case given == nil:
		return 0
	case *given == 0:
		return -1
	}
	return *given
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

func (b Breaker) options() chain.Breaker {
	return chain.Breaker{Failures: offAtZero(b.Failures), Wait: or(b.Wait, 0), MaxWait: or(b.MaxWait, 0)}
}

func (c *Config) cacheOptions(logger *zap.Logger) *cachettl.Options {
	return &cachettl.Options{
		Jitter:       offAtZero(c.Cache.Jitter),
		StaleIfError: or(c.Cache.StaleIfError, defaultStaleIfError),
		StaleWait:    offAtZero(c.Cache.StaleWait),
		ServeExpired: or(c.Cache.ServeExpired, 0),
		RefreshAhead: or(c.Cache.RefreshAhead, 0),
		NegativeTTL:  or(c.Cache.NegativeTTL, 0),
		MaxEntries:   or(c.Cache.MaxEntries, 0),
		FetchTimeout: or(c.Cache.FetchTimeout, 0),
		MinRefresh:   offAtZero(c.Cache.MinRefresh),
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
