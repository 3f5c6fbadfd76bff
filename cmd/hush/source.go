package main

import (
	"cmp"
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
	"github.com/hush-secrets/hush/internal/filetrust"
	"github.com/hush-secrets/hush/internal/secretfile"
)

// configFile is read from the working directory if nothing else names the stores.
const configFile = "hush.yaml"

// maxConfigFile is the size limit of configFile in bytes, the same as in package config.
const maxConfigFile = 1 << 20

// The variables that flags override.
const (
	configVariable    = "HUSH_CONFIG"
	providersVariable = "HUSH_PROVIDERS"
)

const sourceHelp = `hush uses the first of these that names any stores:
    --provider URL   repeat it for several stores, in the order of the queries
    HUSH_PROVIDERS   URLs, separated by spaces
    --config FILE    or the variable HUSH_CONFIG
    hush.yaml        in the working directory, if none of the above is set
Without any of them, the stores are ` + defaultStores + `. Other settings are HUSH_
variables or keys of the file: see 'hush help configuration'.`

// defaultStores are the stores of all commands but the agent, in help texts.
const defaultStores = "extension, direct and env"

// A source reads the configuration from the flags --config and --provider, from the
// environment and from a file.
type source struct {
	flags     *pflag.FlagSet
	file      string
	providers []string
	found     bool // configFile is used, although nothing names it
}

func (s *source) addFlags(flags *pflag.FlagSet) {
	s.flags = flags
	flags.StringVar(&s.file, "config", "", "configuration `file` (overrides HUSH_CONFIG)")
	flags.StringArrayVar(&s.providers, "provider", nil, "`URL` of a store; repeat it for several")
}

// read returns the configuration. Flags override variables, and variables override the
// file. settings are further variables, such as HUSH_VERIFY=true, that override those
// of the environment. If the configuration names no stores, it gets defaults.
//
// The error is about the flags and about finding configFile. Open reports mistakes in
// variables and files.
func (s *source) read(defaults []string, settings ...string) (*config.Config, error) {
	if s.flags.Changed("config") && s.file == "" {
		return nil, usageError(errors.New("--config: the path of the file is empty"))
	}
	for i, url := range s.providers {
		if err := (config.Store{URL: url}).Validate(); err != nil {
			return nil, usageError(fmt.Errorf("--provider %d: %w", i+1, err))
		}
	}
	environ := append(os.Environ(), settings...)
	if s.file != "" {
		environ = append(environ, configVariable+"="+s.file)
	}
	if len(s.providers) > 0 {
		environ = append(environ, providersVariable+"="+strings.Join(s.providers, " "))
	}
	path, text, err := s.findFile()
	if err != nil {
		return nil, usageError(err)
	}
	cfg, err := config.FromEnviron(environ, path, text)
	if err == nil {
		s.printNotice(cfg)
	}
	if len(cfg.Providers) == 0 {
		for _, url := range defaults {
			cfg.Providers = append(cfg.Providers, config.Store{URL: url})
		}
	}
	return cfg, nil
}

// findFile returns configFile if nothing else names the stores.
func (s *source) findFile() (path string, text []byte, err error) {
	if s.file != "" || len(s.providers) > 0 || os.Getenv(configVariable) != "" || os.Getenv(providersVariable) != "" {
		return "", nil, nil
	}
	if _, err := os.Lstat(configFile); errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	s.found = true
	text, err = readConfigFile()
	return configFile, text, err
}

// readConfigFile reads configFile. It refuses a file that another user can write or
// replace, because the file decides where credentials are sent. It reads the file once,
// so that the text that was checked is the text that is used.
func readConfigFile() ([]byte, error) {
	text, info, err := secretfile.ReadInfo(configFile, maxConfigFile)
	if err != nil {
		return nil, fmt.Errorf("%s: the file %s", configFile, secretfile.Reason(err))
	}
	if problem := cmp.Or(locationProblem(info), filetrust.FileProblem(info)); problem != "" {
		return nil, fmt.Errorf("%s in the working directory %s; use --config %[1]s if you trust it", configFile, problem)
	}
	return text, nil
}

// locationProblem returns why another user may have chosen the file, or "". It must be
// called after the file was opened: in a directory with the sticky bit, another user can
// create a link to a file of ours and then remove it.
func locationProblem(file fs.FileInfo) string {
	dir, err := os.Stat(".")
	if err != nil {
		return "is in a directory that cannot be checked"
	}
	if problem := filetrust.DirProblem(dir); problem != "" {
		return "is in a directory that " + problem
	}
	entry, err := os.Lstat(configFile)
	if err != nil || entry.Mode()&fs.ModeSymlink == 0 && !os.SameFile(entry, file) {
		return "was replaced while hush read it"
	}
	return filetrust.FileProblem(entry)
}

// printNotice reports the stores that a found file sends credentials to.
func (s *source) printNotice(cfg *config.Config) {
	if !s.found {
		return
	}
	var schemes []string
	for _, store := range cfg.Providers {
		scheme, _, _ := strings.Cut(store.URL, ":")
		schemes = append(schemes, scheme)
	}
	if slices.ContainsFunc(schemes, func(scheme string) bool { return scheme != "env" }) {
		_, _ = fmt.Fprintf(os.Stderr, "hush: using %s in the working directory: %s\n", configFile, strings.Join(schemes, ", "))
	}
}

// open opens the stores of cfg. The caller closes the Provider. An error is the user's
// mistake, unless a store failed that the configuration wants to be verified.
func (s *source) open(ctx context.Context, cfg *config.Config, schemes []hush.Scheme) (*config.Provider, error) {
	p, err := config.Open(ctx, cfg, schemes...)
	if err == nil {
		return p, nil
	}
	if _, ofStore := errors.AsType[hush.Class](err); ofStore {
		err = storeError(err)
	} else {
		err = usageError(err)
	}
	if len(s.providers) > 0 {
		return nil, providerFlagError{err}
	}
	if s.found {
		return nil, fmt.Errorf("%w\n  hush found %s in the working directory; set HUSH_PROVIDERS or --provider to ignore it", err, configFile)
	}
	return nil, err
}

// A providerFlagError names --provider instead of the variable that passes it to config.
type providerFlagError struct{ error }

func (e providerFlagError) Error() string {
	return strings.NewReplacer(providersVariable+": provider ", "--provider ", providersVariable+":", "--provider:").Replace(e.error.Error())
}

func (e providerFlagError) Unwrap() error { return e.error }
