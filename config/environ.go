package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/hush-secrets/hush/internal/suggest"
)

const variablePrefix = "HUSH_"

// The variables that do not belong to a setting.
const (
	fileVariable      = "HUSH_CONFIG"
	providersVariable = "HUSH_PROVIDERS"
	namesVariable     = "HUSH_NAMES"
)

// FromEnv reads the environment of the process; see [FromEnviron]. Use FromEnv and [Open]
// instead of [OpenEnv] to set fields that no variable can set:
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
// A variable replaces the value of its key in the file. HUSH_PROVIDERS replaces the whole
// list. Names for a provider that it removes are dropped. HUSH_NAMES replaces all names. An
// empty variable counts as not set. Without any variable, FromEnviron returns the zero
// Config.
//
// Each entry of environ has the form NAME=value, as in [os.Environ]. If a name has
// several entries, the last one counts, so that a program can append its own.
//
// text is the content of a file that the program has read or embeds. FromEnviron uses it
// if HUSH_CONFIG is not set. path is the name of the text in errors. Empty text means
// no file.
//
// An unknown variable that resembles a known one, such as HUSH_CACHE_TLL, is an error.
// FromEnviron ignores other variables that begin with HUSH_, because they may belong to
// another program; see [IgnoredVariables].
//
// The error reports all mistakes in the file and in the variables. FromEnviron returns
// a Config even then. [Open] fails with the same mistakes and those that only the
// schemes can find, so a program may leave the report to Open.
func FromEnviron(environ []string, path string, text []byte) (*Config, error) {
	return fromEnviron(environ, path, text).checked()
}

func fromEnviron(environ []string, path string, text []byte) *draft {
	values := hushVariables(environ)
	d := &draft{}
	if named := take(values, fileVariable); named != "" {
		d = load(named)
	} else if len(text) > 0 {
		d.read(path, text)
	}
	d.setProviders(take(values, providersVariable))
	d.setNames(take(values, namesVariable))
	for _, s := range settings() {
		at := place{source: s.Variable}
		if text := take(values, at.source); text != "" {
			d.setPlace(s.Key, at)
			d.problems.add(at, s.Key, s.set(&d.Config, text))
		}
	}
	for name := range values {
		if meant := meantVariable(name); meant != "" {
			d.problems.add(place{source: name}, "", fmt.Errorf("unknown variable: did you mean %s?", meant))
		}
	}
	return d
}

// hushVariables returns the variables with variablePrefix that are not empty, except
// those of Kubernetes.
func hushVariables(environ []string) map[string]string {
	values := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, variablePrefix) {
			values[name] = value
		}
	}
	maps.DeleteFunc(values, func(name, value string) bool { return value == "" || isOfKubernetes(name) })
	return values
}

// take returns a value and removes it.
func take(values map[string]string, name string) string {
	defer delete(values, name)
	return values[name]
}

// isOfKubernetes reports whether name has the form of the variables that Kubernetes sets
// in a pod for each Service. A Service may be called hush or hush-agent.
func isOfKubernetes(name string) bool {
	name += "_"
	return strings.Contains(name, "_SERVICE_HOST_") || strings.Contains(name, "_PORT_")
}

// variables returns the names of all variables that FromEnviron reads.
func variables() []string {
	names := []string{fileVariable, providersVariable, namesVariable}
	for _, s := range settings() {
		names = append(names, s.Variable)
	}
	return names
}

// setProviders replaces the providers of the file, and removes the names for the
// providers that only the file has.
func (d *draft) setProviders(text string) {
	if text == "" {
		return
	}
	gone := storeNames(d.Providers)
	d.Providers = nil
	at := place{source: providersVariable}
	d.setPlace("providers", at)
	for i, url := range strings.Fields(text) {
		d.setPlace(providerKey(i), at)
		d.Providers = append(d.Providers, Store{URL: url})
	}
	for name := range storeNames(d.Providers) {
		delete(gone, name)
	}
	for name, byStore := range d.Names {
		before := len(byStore)
		maps.DeleteFunc(byStore, func(store, _ string) bool { return gone[store] })
		if len(byStore) == 0 && before > 0 {
			delete(d.Names, name)
		}
	}
}

// storeNames returns the names of the stores whose URLs are valid.
func storeNames(stores []Store) map[string]bool {
	names := map[string]bool{}
	for _, s := range stores {
		if p, _ := s.parse(); p.url != nil {
			names[p.Name] = true
		}
	}
	return names
}

// setNames replaces the names of the file.
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

// IgnoredVariables returns the names of the variables in environ that begin with HUSH_
// and that [FromEnviron] ignores, such as HUSH_VERSION, in alphabetical order. They may
// be misspelt, or belong to another program. It leaves out variables that Kubernetes
// creates for a service, such as HUSH_SERVICE_HOST.
func IgnoredVariables(environ []string) []string {
	known := variables()
	values := hushVariables(environ)
	maps.DeleteFunc(values, func(name, _ string) bool { return slices.Contains(known, name) || meantVariable(name) != "" })
	return slices.Sorted(maps.Keys(values))
}

// meantVariable returns the variable that an unknown name most likely stands for, or
// "". The prefix HUSH_ does not count, so that HUSH_HOME does not resemble HUSH_NAMES. A
// name without its section, such as HUSH_TTL, a section alone, such as HUSH_LOG, and a
// name that continues a variable, such as HUSH_CONFIG_FILE, count.
func meantVariable(name string) string {
	word := strings.TrimPrefix(name, variablePrefix)
	known := variables()
	for i, k := range known {
		known[i] = strings.TrimPrefix(k, variablePrefix)
	}
	if k := suggest.Closest(word, known); k != "" {
		return variablePrefix + k
	}
	upper := strings.ToUpper(word)
	for _, k := range known {
		if strings.HasPrefix(upper, k+"_") || strings.HasPrefix(k, upper+"_") || strings.HasSuffix(k, "_"+upper) {
			return variablePrefix + k
		}
	}
	return ""
}
