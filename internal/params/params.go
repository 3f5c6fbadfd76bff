// Package params reads the parameters of the URLs that configuration names stores
// with, such as "env:?prefix=APP_", and trusts none of them.
package params

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hush-secrets/hush/internal/suggest"
)

// Values are the parameters of one URL, and what is wrong with them. Reading one that
// is wrong returns zero and adds a fault, so that all are told at once: whoever reads
// looks at Err when all is read. No fault quotes a value.
type Values struct {
	Faults

	given map[string]string
}

// Of returns the Values of parameters that were parsed before.
func Of(given map[string]string) *Values { return &Values{given: given} }

// Parse returns the query parameters of u, which has no host and no path, as in
// "scheme:" or "scheme:?key=value". Faults are a parameter that is not known, that is
// empty, or that is given twice, and a credential anywhere in u. They list what is
// known, and suggest what is near.
func Parse(u *url.URL, known ...string) *Values {
	v := &Values{Faults: Check(u)}
	if u.Host != "" || u.Path != "" || u.Opaque != "" || u.Fragment != "" {
		v.Add(fmt.Errorf("%s takes parameters alone: %s:?key=value", u.Scheme, u.Scheme))
	}
	v.read(u, known)
	return v
}

// ParseHost is Parse for a URL that may have a host and a path, which are the
// caller's to read, as in "scheme://host:port/path?key=value".
func ParseHost(u *url.URL, known ...string) *Values {
	v := &Values{Faults: Check(u)}
	if u.Opaque != "" || u.OmitHost || u.Fragment != "" {
		v.Add(fmt.Errorf("%s takes a host, a path and parameters: %s://host:port/path?key=value", u.Scheme, u.Scheme))
	}
	v.read(u, known)
	return v
}

// read reads the parameters of u. Check has told what is wrong with the query and of
// credentials.
func (v *Values) read(u *url.URL, known []string) {
	v.given = map[string]string{}
	query, _ := url.ParseQuery(u.RawQuery)
	unknown := false
	for _, key := range slices.Sorted(maps.Keys(query)) {
		switch values := query[key]; {
		case credential(key, values) != nil: // told
		case !slices.Contains(known, key):
			unknown = true
			v.Add(errors.New("unknown parameter " + suggest.Quote(key, known) + suggest.Hint(key, known)))
		case len(values) != 1:
			v.Add(fmt.Errorf("parameter %q is given %d times", key, len(values)))
		case values[0] == "":
			v.Add(fmt.Errorf("parameter %q is empty", key))
		default:
			v.given[key] = values[0]
		}
	}
	switch {
	case unknown && len(known) == 0:
		v.Add(fmt.Errorf("%s takes no parameters", u.Scheme))
	case unknown:
		v.Add(fmt.Errorf("%s takes %s", u.Scheme, strings.Join(known, ", ")))
	}
}

// All returns the parameters that are given, known and not empty.
func (v *Values) All() map[string]string { return maps.Clone(v.given) }

// Has reports whether a parameter is among them.
func (v *Values) Has(key string) bool { return v.given[key] != "" }

// Text returns the parameter at key, empty if there is none.
func (v *Values) Text(key string) string { return v.given[key] }

// Duration returns the duration at key, zero if there is none. One that is not
// positive, or has no unit, is a fault.
func (v *Values) Duration(key string) time.Duration {
	if !v.Has(key) {
		return 0
	}
	d, err := time.ParseDuration(v.given[key])
	if err != nil || d <= 0 {
		v.Add(fmt.Errorf("parameter %q is no positive duration with a unit, such as 500ms or 3s", key))
		return 0
	}
	return d
}

// Bool returns the boolean at key, false if there is none. What is neither true nor
// false is a fault.
func (v *Values) Bool(key string) bool {
	switch v.given[key] {
	case "", "false":
		return false
	case "true":
		return true
	}
	v.Add(fmt.Errorf("parameter %q is true or false", key))
	return false
}
