package main

import (
	"context"
	"errors"
	"fmt"
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
	found     []byte // the text of configFile if findConfig found it; nil: it is not used
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
	cfg, err := s.fromEnv()
	if err == nil && len(cfg.Providers) == 0 {
		if err := os.Setenv(providersVariable, defaultProviders); err != nil {
			return nil, err
		}
		cfg, err = s.fromEnv()
	}
	if err != nil {
		return nil, usageError{s.blame(err)}
	}
	return cfg, nil
}

// fromEnv reads the variables, over the file that was found.
func (s *source) fromEnv() (*config.Config, error) { return config.FromEnvText(s.foundName(), s.found) }

// foundName returns the name of the file that was found, or "".
func (s *source) foundName() string {
	if s.found == nil {
		return ""
	}
	return configFile
}

// open opens the configured stores. The caller closes the Provider.
func (s *source) open(ctx context.Context) (*config.Provider, error) {
	return s.openWith(ctx, all.Schemes())
}

// openWith is open with other schemes.
func (s *source) openWith(ctx context.Context, schemes []hush.Scheme) (*config.Provider, error) {
	if _, err := s.config(); err != nil {
		if _, ok := errors.AsType[flagError](err); ok {
			return nil, err
		}
		// OpenEnvText reports this error, and those of the URLs.
	}
	p, err := opened(config.OpenEnvText(ctx, s.foundName(), s.found, schemes...))
	if err != nil && s.found != nil {
		return nil, fmt.Errorf("%w\n  hush found %s in the working directory; set HUSH_PROVIDERS or --provider to ignore it", err, configFile)
	}
	return p, s.blame(err)
}

// blame returns err so that it names the flag --provider if the providers come from
// it. settle passes them to config in a variable, which the user has not set.
func (s *source) blame(err error) error {
	if err == nil || len(s.providers) == 0 {
		return err
	}
	return blamedError{err}
}

type blamedError struct{ error }

func (e blamedError) Error() string {
	return strings.NewReplacer(providersVariable+": provider ", "--provider ", providersVariable+":", "--provider:").Replace(e.error.Error())
}

func (e blamedError) Unwrap() error { return e.error }

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

// settle sets the variables of this process that the flags stand for, so that the
// rules for variables merge them. It finds configFile if nothing names any stores.
func (s *source) settle() error {
	if s.set.Changed("config") && s.file == "" {
		return flagError{errors.New("--config: the path of the file is empty")}
	}
	for i, url := range s.providers {
		if _, err := config.ParseStore(url); err != nil {
			return flagError{fmt.Errorf("--provider %d: %w", i+1, err)}
		}
	}
	if s.found == nil && s.file == "" && len(s.providers) == 0 && os.Getenv(configVariable) == "" && os.Getenv(providersVariable) == "" {
		found, err := findConfig()
		if err != nil {
			return flagError{err}
		}
		s.found = found
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

// notice reports the stores that a file sends our credentials to, if hush found the
// file by itself.
func (s *source) notice() {
	cfg, err := s.fromEnv()
	if s.found == nil || err != nil {
		return // opening reports the error
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
