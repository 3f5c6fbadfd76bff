package config

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parseURL parses the URL of a store. What must be in none it does not refuse.
func parseURL(text string) (*url.URL, error) {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsSpace) {
		return nil, errors.New("the URL of a provider is UTF-8 without spaces: write %20 for one")
	}
	full := text
	if !strings.Contains(text, ":") {
		full += ":"
	}
	u, err := url.Parse(full)
	if err != nil || u.Scheme == "" {
		return nil, notURL(text)
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return nil, errors.New("the parameters are not a URL's query")
	}
	return u, nil
}

// notURL says what a provider looks like, in view of the mistakes that are likely.
func notURL(text string) error {
	before, _, _ := strings.Cut(text, "?")
	switch {
	case text == "":
		return errors.New("the URL is empty")
	case strings.Contains(before, ","):
		return errors.New("this is no URL of a provider; in a list they are separated by spaces")
	case before != text && !strings.Contains(before, ":"):
		return errors.New("this is no URL of a provider; parameters come after a colon and a question mark, as in direct:?region=eu-west-1")
	}
	return errors.New("this is no URL of a provider, such as extension or direct:?region=eu-west-1")
}

// cutURL returns what text has before its query, the query, and the fragment with
// its mark.
func cutURL(text string) (base, query, fragment string) {
	if i := strings.IndexByte(text, '#'); i >= 0 {
		text, fragment = text[:i], text[i:]
	}
	base, query, _ = strings.Cut(text, "?")
	return base, query, fragment
}
