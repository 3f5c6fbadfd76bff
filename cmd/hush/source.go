package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/config/all"
)

// configFile is found in the working directory where nothing else says which stores
// there are.
const configFile = "hush.yaml"

// The variables that flags stand for.
const (
	configVariable    = "HUSH_CONFIG"
	providersVariable = "HUSH_PROVIDERS"
	levelVariable     = "HUSH_LOG_LEVEL"
)

// defaultProviders are asked where nothing is configured.
const defaultProviders = "extension direct env"

const sourceHelp = `Which stores there are is said, the first of these first, by
    --provider URL   once for each store, in the order in which they are asked
    HUSH_PROVIDERS   their URLs, separated by spaces
    --config FILE    or HUSH_CONFIG
    hush.yaml        in the working directory, if there is none of the above
and if nothing says so, they are extension, direct and env. Other settings are
HUSH_ variables, or in the file: see 'hush help configuration'.`

// A source is where a subcommand has its stores from, the same for all of them: the
// flags over the environment over the file.
type source struct {
	set       *pflag.FlagSet
	file      string
	providers []string
	found     bool // the file, and nobody named it
}

func (s *source) flags(flags *pflag.FlagSet) {
	s.set = flags
	flags.StringVar(&s.file, "config", "", "the `file` of configuration, in the place of HUSH_CONFIG")
	flags.StringArrayVar(&s.providers, "provider", nil, "a store to ask, as a `URL`; repeat it for several")
}

// config returns the configuration, which has a provider. An error is the user's.
func (s *source) config() (*config.Config, error) {
	if err := s.settle(); err != nil {
		return nil, usageError{err}
	}
	cfg, err := config.FromEnv()
	if err == nil && len(cfg.Providers) == 0 {
		if err := os.Setenv(providersVariable, defaultProviders); err != nil {
			return nil, err
		}
		cfg, err = config.FromEnv()
	}
	if err != nil {
		return nil, usageError{err}
	}
	return cfg, nil
}

// open opens the stores as they are configured. The caller closes the Provider.
func (s *source) open(ctx context.Context) (*config.Provider, error) {
	cfg, err := s.config()
	if len(s.providers) > 0 {
		if err != nil {
			return nil, err
		}
		// Opened as a Config, what is wrong with a flag is not blamed on a variable.
		return opened(config.Open(ctx, cfg, all.Schemes()...))
	}
	if _, mistaken := errors.AsType[flagError](err); mistaken {
		return nil, err
	}
	// Opened from the environment, what is wrong has its place in the file, and all
	// of it is told.
	p, err := opened(config.OpenEnv(ctx, all.Schemes()...))
	if err != nil && s.found {
		return nil, fmt.Errorf("%w\n  with %s of this directory, which nobody named", err, configFile)
	}
	return p, err
}

// opened says whose fault it is that nothing was opened: of a store that was asked
// because configuration says verify, or else the user's.
func opened(p *config.Provider, err error) (*config.Provider, error) {
	if err == nil {
		return p, nil
	}
	if hush.ClassOf(err) != hush.ErrUnavailable || errors.Is(err, hush.ErrUnavailable) {
		return nil, storeError{error: err}
	}
	return nil, usageError{err}
}

// A flagError is a flag of the source that means nothing.
type flagError struct{ error }

// settle makes the flags, and the file that is found, the variables of this process
// that they stand for, so that they are merged by the rules for those.
func (s *source) settle() error {
	if s.set.Changed("config") && s.file == "" {
		return flagError{errors.New("--config: the path of the file is empty")}
	}
	for i, url := range s.providers {
		if _, err := config.ParseLink(url); err != nil {
			return flagError{fmt.Errorf("--provider %d: %w", i+1, err)}
		}
	}
	if s.file == "" && len(s.providers) == 0 && os.Getenv(configVariable) == "" && os.Getenv(providersVariable) == "" {
		found, err := findConfig()
		if err != nil {
			return flagError{err}
		}
		s.file, s.found = found, found != ""
		s.notice()
	}
	for name, value := range map[string]string{configVariable: s.file, providersVariable: strings.Join(s.providers, " ")} {
		if value == "" {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return flagError{err}
		}
	}
	return nil
}

// notice says which stores a file that nobody named has our credentials sent to.
func (s *source) notice() {
	cfg, err := config.Load(s.file)
	if !s.found || err != nil {
		return // what is wrong with it, opening it tells
	}
	var schemes []string
	for _, link := range cfg.Providers {
		scheme, _, _ := strings.Cut(link.URL, ":")
		schemes = append(schemes, scheme)
	}
	if slices.ContainsFunc(schemes, func(scheme string) bool { return scheme != "env" }) {
		_, _ = fmt.Fprintf(os.Stderr, "hush: using %s of this directory: %s\n", configFile, strings.Join(schemes, ", "))
	}
}

// findConfig returns the configFile of the working directory, if there is one. One
// that somebody else has put there, or may write, would decide where our credentials
// go, and what we take for a secret.
func findConfig() (string, error) {
	if _, err := os.Lstat(configFile); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	for _, look := range []func(string) (fs.FileInfo, error){os.Lstat, os.Stat} { // a link, and what it leads to
		if info, err := look(configFile); err == nil && distrust(info) != "" {
			return "", fmt.Errorf("%s in the working directory %s: name it with --config if it is to be trusted", configFile, distrust(info))
		}
	}
	return configFile, nil // what else is wrong with it, config says
}
