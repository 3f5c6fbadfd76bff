package params

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/hush-secrets/hush/internal/suggest"
)

// credentials are how the names of parameters end that are refused, so that nobody
// has to find out from a log that a URL is no place for them. A parameter that names
// a file or a variable, such as token_file, ends otherwise.
var credentials = []string{
	"token", "password", "passwd", "pwd", "passphrase", "secret", "secretid", "secretkey", "accesskey", "apikey",
	"privatekey", "clientkey", "credential", "jwt", "bearer",
}

const noCredential = "a URL names a store and holds no credential"

// Check returns what the URL of no store has: user info, wherever people write it,
// and parameters that are credentials by their name or have user info in their value.
func Check(u *url.URL) (faults Faults) {
	if hasUserInfo(u) {
		faults.Add(errors.New("user info in the URL: " + noCredential))
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		faults.Add(errors.New("the parameters are not a URL's query"))
	}
	for _, key := range slices.Sorted(maps.Keys(query)) {
		faults.Add(credential(key, query[key]))
	}
	return faults
}

// hasUserInfo sees it in "scheme:user:password@host", too, of which net/url makes no
// host but something opaque or a path.
func hasUserInfo(u *url.URL) bool {
	opaque, err := url.PathUnescape(u.Opaque)
	return u.User != nil || err != nil || strings.Contains(opaque, "@") || u.Host == "" && strings.Contains(u.Path, "@")
}

// credential returns why the parameter of that key is refused, whatever the scheme.
func credential(key string, values []string) error {
	switch {
	case isCredential(key):
		return fmt.Errorf("parameter %s: %s", suggest.Quote(key, credentials), noCredential)
	case slices.ContainsFunc(values, isURLWithUser):
		return fmt.Errorf("parameter %s: user info in its URL: %s", suggest.Quote(key, nil), noCredential)
	}
	return nil
}

// isCredential reports whether key ends like one, in any spelling.
func isCredential(key string) bool {
	key, _, _ = strings.Cut(key, "=")
	folded := strings.TrimSuffix(strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(key)), "s")
	return slices.ContainsFunc(credentials, func(end string) bool { return strings.HasSuffix(folded, end) })
}

func isURLWithUser(value string) bool {
	_, rest, found := strings.Cut(value, "://")
	return found && strings.Contains(rest, "@")
}
