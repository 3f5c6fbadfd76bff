// Package params parses the parameters of the URLs that configure stores, such as
// "env:?prefix=APP_". It refuses URLs with credentials.
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

// Faults are the problems of one URL, reported together.
type Faults []error

// Add adds err unless it is nil.
func (f *Faults) Add(err error) {
	if err != nil {
		*f = append(*f, err)
	}
}

// Err returns the faults as one error of one line, or nil if there are none.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	all := f[0]
	for _, err := range f[1:] {
		all = fmt.Errorf("%w; %w", all, err)
	}
	return all
}

// Values are the parameters of one URL, and their faults. Reading an invalid parameter
// returns zero and adds a fault. The caller reads all parameters and then calls Err. No
// fault quotes a value.
type Values struct {
	Faults

	values map[string]string
}

// Of returns the Values of parameters that were parsed before.
func Of(values map[string]string) *Values { return &Values{values: values} }

// Parse returns the parameters of a URL without a host and a path, such as
// "scheme:?key=value". A parameter that is unknown, empty or repeated is a fault, and
// so is a credential anywhere in u. The fault of an unknown parameter lists the known
// ones and suggests the closest.
func Parse(u *url.URL, known ...string) *Values {
	v := &Values{Faults: Check(u)}
	if u.Host != "" || u.Path != "" || u.Opaque != "" || u.Fragment != "" {
		v.Add(fmt.Errorf("%s must have only parameters; use %s:?key=value", u.Scheme, u.Scheme))
	}
	v.read(u, known)
	return v
}

// ParseHost is Parse for a URL that may have a host and a path, such as
// "scheme://host:port/path?key=value". The caller reads the host and the path.
func ParseHost(u *url.URL, known ...string) *Values {
	v := &Values{Faults: Check(u)}
	if u.Opaque != "" || u.OmitHost || u.Fragment != "" {
		v.Add(fmt.Errorf("%s must have only a host, a path and parameters; use %s://host:port/path?key=value", u.Scheme, u.Scheme))
	}
	v.read(u, known)
	return v
}

// read reads the parameters of u. Check has reported a malformed query and credentials.
func (v *Values) read(u *url.URL, known []string) {
	v.values = map[string]string{}
	query, _ := url.ParseQuery(u.RawQuery)
	unknown := false
	for _, key := range slices.Sorted(maps.Keys(query)) {
		switch values := query[key]; {
		case checkParameter(key, values) != nil: // reported by Check
		case !slices.Contains(known, key):
			unknown = true
			v.Add(errors.New("unknown parameter " + suggest.Quote(key, known) + suggest.Hint(key, known)))
		case len(values) != 1:
			v.Add(fmt.Errorf("parameter %q is set %d times", key, len(values)))
		case values[0] == "":
			v.Add(fmt.Errorf("parameter %q is empty", key))
		default:
			v.values[key] = values[0]
		}
	}
	switch {
	case unknown && len(known) == 0:
		v.Add(fmt.Errorf("%s takes no parameters", u.Scheme))
	case unknown:
		v.Add(fmt.Errorf("%s takes %s", u.Scheme, strings.Join(known, ", ")))
	}
}

// All returns the known parameters that are set.
func (v *Values) All() map[string]string { return maps.Clone(v.values) }

// Has reports whether a parameter is set.
func (v *Values) Has(key string) bool { return v.values[key] != "" }

// Text returns a parameter, or "" if it is not set.
func (v *Values) Text(key string) string { return v.values[key] }

// Duration returns a positive duration, or zero if the parameter is not set.
func (v *Values) Duration(key string) time.Duration {
	if !v.Has(key) {
		return 0
	}
	d, err := time.ParseDuration(v.values[key])
	if err != nil || d <= 0 {
		v.Add(fmt.Errorf("parameter %q must be a positive duration with a unit, such as 500ms or 3s", key))
		return 0
	}
	return d
}

// Bool returns a boolean, or false if the parameter is not set.
func (v *Values) Bool(key string) bool {
	switch v.values[key] {
	case "", "false":
		return false
	case "true":
		return true
	}
	v.Add(fmt.Errorf("parameter %q must be true or false", key))
	return false
}

// credentials are the endings of the names of parameters that are refused. The name of
// a parameter that names a file or a variable, such as token_file, ends otherwise.
var credentials = []string{
	"token", "password", "passwd", "pwd", "passphrase", "secret", "secretid", "secretkey", "accesskey", "apikey",
	"privatekey", "clientkey", "credential", "jwt", "bearer",
}

const noCredential = "the URL of a store must not contain credentials"

// Check returns the faults of u for any scheme: user info, a malformed query, and
// parameters that are credentials or URLs with user info.
func Check(u *url.URL) (faults Faults) {
	if hasUserInfo(u) {
		faults.Add(errors.New("user info in the URL: " + noCredential))
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		faults.Add(errors.New("the query of the URL is malformed"))
	}
	for _, key := range slices.Sorted(maps.Keys(query)) {
		faults.Add(checkParameter(key, query[key]))
	}
	return faults
}

// hasUserInfo detects user info also in "scheme:user:password@host", where net/url
// parses an opaque part or a path.
func hasUserInfo(u *url.URL) bool {
	opaque, err := url.PathUnescape(u.Opaque)
	return u.User != nil || err != nil || strings.Contains(opaque, "@") || u.Host == "" && strings.Contains(u.Path, "@")
}

// checkParameter returns a fault if a parameter is a credential, regardless of the
// scheme.
func checkParameter(key string, values []string) error {
	switch {
	case isCredential(key):
		return fmt.Errorf("parameter %s: %s", suggest.Quote(key, credentials), noCredential)
	case slices.ContainsFunc(values, isURLWithUser):
		return fmt.Errorf("parameter %s: user info in its URL: %s", suggest.Quote(key, nil), noCredential)
	}
	return nil
}

// isCredential reports whether key has one of the endings, with any case, hyphens and
// underscores, and in the plural.
func isCredential(key string) bool {
	key, _, _ = strings.Cut(key, "=")
	folded := strings.TrimSuffix(strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(key)), "s")
	return slices.ContainsFunc(credentials, func(end string) bool { return strings.HasSuffix(folded, end) })
}

func isURLWithUser(value string) bool {
	_, rest, found := strings.Cut(value, "://")
	return found && strings.Contains(rest, "@")
}
