package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Variables that are no setting.
const (
	fileVariable      = "HUSH_CONFIG"
	providersVariable = "HUSH_PROVIDERS"
	namesVariable     = "HUSH_NAMES"
)

// FromEnv reads the environment of the process; see [FromEnviron]. Use it with [Open]
// instead of [OpenEnv] to set what only code can set:
//
//	cfg, err := config.FromEnv()
//	if err != nil {
//		return err
//	}
//	cfg.OnCall = countCalls
//	secrets, err := config.Open(ctx, cfg, all.Schemes()...)
func FromEnv() (*Config, error) { return FromEnviron(os.Environ(), "", nil) }

// FromEnviron reads the variables that begin with HUSH_:
//
//	HUSH_CONFIG      the path of a file, as Load reads it
//	HUSH_PROVIDERS   the URLs of the providers, separated by spaces
//	HUSH_NAMES       the names as a mapping: {db: {direct: prod/db, env: ORDERS_DB}}
//	HUSH_CACHE_TTL   cache.ttl, and so on for each key of a file
//
// A variable replaces what the file says of its key: the whole list of providers, all
// names, one setting. The names of links that are only in the file's list go with
// that list. An empty variable is not set. Without a variable FromEnviron returns the
// zero Config.
//
// Each entry of environ has the form NAME=value, as in [os.Environ]. The last entry
// with a name counts, so that a program can append settings of its own.
//
// text is the text of a file that the program has found or embeds. FromEnviron uses it
// in place of a file if HUSH_CONFIG names none. Errors call the text path. An empty
// path means that there is no text.
//
// An unknown variable whose name is close to one of these, such as HUSH_CACHE_TLL, is
// an error. FromEnviron ignores other variables that begin with HUSH_, because they may
// belong to another program; see [IgnoredVariables].
//
// The error reports all mistakes in the file and in the variables. FromEnviron returns
// a Config with it. [Open] fails with the same mistakes and with those in the URLs of
// the providers, so a program may leave the report to Open.
func FromEnviron(environ []string, path string, text []byte) (*Config, error) {
	return fromEnviron(environ, path, text).done()
}

// FromEnvText is FromEnv for a program that has read, or embeds, the text of a file. It
// uses the text in place of a file if HUSH_CONFIG names none. Errors call the text
// path. An empty path means that there is no text.
func FromEnvText(path string, text []byte) (*Config, error) {
	return fromEnviron(os.Environ(), path, text).done()
}

func fromEnviron(environ []string, path string, text []byte) *draft {
	values := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, variablePrefix) {
			values[name] = value
		}
	}
	maps.DeleteFunc(values, func(_, value string) bool { return value == "" })
	d := &draft{}
	if named := take(values, fileVariable); named != "" {
		d = load(named)
	} else if path != "" {
		d.read(path, text)
	}
	d.setProviders(take(values, providersVariable))
	d.setNames(take(values, namesVariable))
	for _, s := range settings() {
		name := variable(s.key)
		if text := take(values, name); text != "" {
			d.found(s.key, place{source: name})
			d.problems.add(place{source: name}, s.key, s.parse(&d.Config, text))
		}
	}
	for name := range values {
		if !ofKubernetes().MatchString(name) {
			d.problems.add(place{source: name}, "", unknownVariable(name))
		}
	}
	return d
}

// take returns a value and removes it.
func take(values map[string]string, name string) string {
	defer delete(values, name)
	return values[name]
}

// ofKubernetes are the variables that a Pod has for each service in its namespace.
// The expression is compiled on first use, because few programs have such variables.
var ofKubernetes = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^HUSH_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)
})

// Variables returns the names of all variables that FromEnv reads.
func Variables() []string {
	names := []string{fileVariable, providersVariable, namesVariable}
	for _, s := range settings() {
		names = append(names, variable(s.key))
	}
	return names
}

func (d *draft) setProviders(text string) {
	if text == "" {
		return
	}
	before := d.Providers
	d.Providers = nil
	d.found("providers", place{source: providersVariable})
	for i, field := range strings.Fields(text) {
		d.found(linkKey(i), place{source: providersVariable})
		link, err := ParseStore(field)
		if err != nil {
			link = Store{URL: field}
		}
		d.Providers = append(d.Providers, link)
	}
	d.dropNames(before)
}

// dropNames removes the names for links that were there before and are no longer.
func (d *draft) dropNames(before []Store) {
	for _, l := range before {
		gone, err := l.resolve()
		if err != nil || slices.ContainsFunc(d.Providers, func(l Store) bool {
			r, err := l.resolve()
			return err == nil && r.Name == gone.Name
		}) {
			continue
		}
		for name, byLink := range d.Names {
			if _, ok := byLink[gone.Name]; ok && len(byLink) == 1 {
				delete(d.Names, name)
			}
			delete(byLink, gone.Name)
		}
	}
}

func (d *draft) setNames(text string) {
	if text == "" {
		return
	}
	d.Names = nil
	r := &reader{draft: d, source: namesVariable}
	if root := r.parse([]byte(text)); root != nil {
		r.names(root)
	}
}

// Environ returns the variables, each as NAME=value, that FromEnv reads back as c. A
// Config that could not be read back is an error.
func (c Config) Environ() ([]string, error) {
	if err := c.check().err(); err != nil {
		return nil, err
	}
	var environ []string
	add := func(name, value string) { environ = append(environ, name+"="+value) }
	if len(c.Providers) > 0 {
		texts := make([]string, len(c.Providers))
		for i, l := range c.Providers {
			texts[i] = l.String()
		}
		add(providersVariable, strings.Join(texts, " "))
	}
	if len(c.Names) > 0 {
		text, err := json.Marshal(c.Names)
		if err != nil {
			return nil, errors.New("config: the names are no JSON")
		}
		add(namesVariable, string(text))
	}
	for _, s := range settings() {
		if v := s.get(&c); v != nil {
			add(variable(s.key), fmt.Sprint(v))
		}
	}
	return environ, nil
}
