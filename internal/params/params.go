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

	"github.com/hush-secrets/hush/internal/nearest"
)

// credentials are parameters that are refused by name, so that nobody has to find
// out from a log that a URL is no place for them.
var credentials = []string{
	"password", "passwd", "secret", "secret_id", "token", "access_key", "secret_access_key", "session_token",
	"jwt", "bearer", "api_key", "private_key", "client_key", "client_secret", "client_token", "vault_token", "wrapping_token", "wrapped_token",
}

// Parse returns the query parameters of u, which has no host and no path, as in
// "scheme:" or "scheme:?key=value". A parameter that is not known, that is empty,
// or that is given twice is an error, and so is a credential anywhere in u. An error
// tells all of these, lists what is known, suggests what is near, and quotes no value.
func Parse(u *url.URL, known ...string) (map[string]string, error) {
	if u.User == nil && (u.Host != "" || u.Path != "" || u.Opaque != "" || u.Fragment != "") {
		return nil, fmt.Errorf("%s takes parameters alone: %s:?key=value", u.Scheme, u.Scheme)
	}
	return ParseHost(u, known...)
}

// ParseHost is Parse for a URL that may have a host and a path, which are the
// caller's to read, as in "scheme://host:port/path?key=value".
func ParseHost(u *url.URL, known ...string) (map[string]string, error) {
	switch {
	case u.User != nil:
		return nil, errors.New("user info in the URL: a URL names a store and holds no credential")
	case u.Opaque != "" || u.Fragment != "" || u.RawFragment != "":
		return nil, fmt.Errorf("%s takes a host, a path and parameters: %s://host:port/path?key=value", u.Scheme, u.Scheme)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("the parameters are not a URL's query")
	}
	values := map[string]string{}
	var faults []string
	for _, key := range slices.Sorted(maps.Keys(query)) {
		if fault := faultOf(u.Scheme, key, query[key], known); fault != "" {
			faults = append(faults, fault)
		}
		values[key] = query[key][0]
	}
	if len(faults) > 0 {
		return nil, errors.New(strings.Join(faults, "; "))
	}
	return values, nil
}

// faultOf returns what is wrong with the parameter of that key.
func faultOf(scheme, key string, given, known []string) string {
	switch {
	case Credential(key):
		return fmt.Sprintf("parameter %q: a URL names a store and holds no credential", key)
	case !slices.Contains(known, key):
		return unknown(scheme, key, known)
	case len(given) != 1:
		return fmt.Sprintf("parameter %q is given %d times", key, len(given))
	case given[0] == "":
		return fmt.Sprintf("parameter %q is empty", key)
	}
	return ""
}

// Duration returns the duration at key, zero if there is none, and an error for
// one that is not positive or has no unit.
func Duration(values map[string]string, key string) (time.Duration, error) {
	text, ok := values[key]
	if !ok {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("parameter %q is no positive duration with a unit, such as 500ms or 3s", key)
	}
	return d, nil
}

// Bool returns the boolean at key, false if there is none.
func Bool(values map[string]string, key string) (bool, error) {
	switch values[key] {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, fmt.Errorf("parameter %q is true or false", key)
}

func unknown(scheme, key string, known []string) string {
	if len(known) == 0 {
		return fmt.Sprintf("unknown parameter %q; %s takes none", key, scheme)
	}
	text := fmt.Sprintf("unknown parameter %q; %s takes %s", key, scheme, strings.Join(known, ", "))
	if likely := nearest.To(key, known); likely != "" {
		text += fmt.Sprintf(": did you mean %q?", likely)
	}
	return text
}

// Credential reports whether a parameter of this name is refused in every URL.
func Credential(key string) bool { return slices.Contains(credentials, strings.ToLower(key)) }
