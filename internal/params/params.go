// Package params reads the parameters of the URLs that configuration names stores
// with, such as "env:?prefix=APP_", and trusts none of them.
package params

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// credentials are parameters that are refused by name, so that nobody has to find
// out from a log that a URL is no place for them.
var credentials = []string{"password", "passwd", "secret", "secret_id", "token", "access_key", "secret_access_key", "session_token"}

// Parse returns the query parameters of u, which has no host and no path, as in
// "scheme:" or "scheme:?key=value". A parameter that is not known, that is empty,
// or that is given twice is an error, and so is a credential anywhere in u. No
// error quotes a value.
func Parse(u *url.URL, known ...string) (map[string]string, error) {
	switch {
	case u.User != nil:
		return nil, errors.New("user info in the URL: a URL names a store and holds no credential")
	case u.Host != "" || u.Path != "" || u.Opaque != "" || u.Fragment != "":
		return nil, fmt.Errorf("%s takes parameters alone: %s:?key=value", u.Scheme, u.Scheme)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("the parameters are not a URL's query")
	}
	values := map[string]string{}
	for key, given := range query {
		switch {
		case slices.Contains(credentials, strings.ToLower(key)):
			return nil, fmt.Errorf("parameter %q: a URL names a store and holds no credential", key)
		case !slices.Contains(known, key):
			return nil, fmt.Errorf("unknown parameter %q; %s takes %s", key, u.Scheme, list(known))
		case len(given) != 1:
			return nil, fmt.Errorf("parameter %q is given %d times", key, len(given))
		case given[0] == "":
			return nil, fmt.Errorf("parameter %q is empty", key)
		}
		values[key] = given[0]
	}
	return values, nil
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

func list(known []string) string {
	if len(known) == 0 {
		return "none"
	}
	return strings.Join(known, ", ")
}
