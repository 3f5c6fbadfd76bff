package config

import (
	"cmp"
	"os"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
)

func (p Policy) chainPolicy() chain.Policy {
	if p == PolicyOutages {
		return chain.OutagesOnly
	}
	return nil
}

// cacheOptions returns the options of the cache, which logs rotated and stale secrets.
func (c *Config) cacheOptions(logger *zap.Logger) *cachettl.Options {
	opts := c.Cache
	opts.StaleIfError = cmp.Or(opts.StaleIfError, time.Hour)
	if opts.StaleWait == 0 && os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		opts.StaleWait = 5 * time.Second // the default of FetchTimeout
		if opts.FetchTimeout > 0 {
			opts.StaleWait = opts.FetchTimeout
		}
	}
	opts.OnRotate = func(ref hush.Ref, old, current hush.Secret) {
		logger.Info("secret rotated", zap.String("provider", current.Source), zap.String("secret", ref.String()),
			zap.String("version", current.Version), zap.String("before", old.Version))
		if c.Cache.OnRotate != nil {
			c.Cache.OnRotate(ref, old, current)
		}
	}
	opts.OnStale = func(ref hush.Ref, stale hush.Secret, why error) {
		logger.Warn("secret served stale", zap.String("provider", stale.Source), zap.String("secret", ref.String()),
			zap.String("version", stale.Version), zap.NamedError("error", why))
		if c.Cache.OnStale != nil {
			c.Cache.OnStale(ref, stale, why)
		}
	}
	return &opts
}

const levelOff = "off"

func isLevel(level string) error { return oneOf(level, levelOff, "debug", "info", "warn", "error") }

// logger returns the logger of the chain and the cache.
func (c *Config) logger() *zap.Logger {
	if c.LogLevel == levelOff || c.LogLevel == "" && c.Logger == nil {
		return zap.NewNop()
	}
	level, _ := zapcore.ParseLevel(c.LogLevel) // valid, or empty, which means info
	switch {
	case c.Logger == nil:
		encoding := zap.NewProductionEncoderConfig()
		encoding.EncodeTime = zapcore.RFC3339NanoTimeEncoder
		encoding.EncodeDuration = zapcore.StringDurationEncoder
		return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(encoding), zapcore.Lock(os.Stderr), level))
	case c.LogLevel == "" || zapcore.LevelOf(c.Logger.Core()) >= level:
		return c.Logger // zap.IncreaseLevel refuses a lower level
	}
	return c.Logger.WithOptions(zap.IncreaseLevel(level))
}
