package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/params"
)

// A Store is one store of a Config.
//
// In a file, a Store is a URL or a mapping with the keys url, name, timeout, policy and
// prefix. Everywhere, the URL may have the last four as parameters: link_name,
// link_timeout, link_policy and link_prefix. The scheme does not see parameters that
// begin with link_.
type Store struct {
	// URL names the store in the form of its scheme. "direct", "direct:" and
	// "direct:?" are the same. A URL holds no credential.
	URL string

	// Name is the name of the store in Config.Names, in log lines, in errors and in
	// Secret.Source. It has 1 to 64 letters, digits and + . - _ and differs from the
	// names of the other stores. Empty means the scheme.
	Name string

	// Timeout limits each call of the store. Zero means the limit of the provider.
	Timeout time.Duration

	// Policy says after which failures of this store the next store is called. Empty
	// means Config.Policy.
	Policy Policy

	// Prefix is put before each name that has no entry in Config.Names.
	Prefix string
}

const parameterPrefix = "link_"

// The keys of a Store in a mapping, and the parameters with the same meaning in a URL.
var (
	storeKeys       = []string{"name", "timeout", "policy", "prefix"}
	storeParameters = []string{"link_name", "link_timeout", "link_policy", "link_prefix"}
)

// String returns the name and the URL, such as "orders (direct:?region=eu-west-1)". If
// the Store is invalid, String returns the mistake in brackets, because the URL may
// hold a credential.
func (s Store) String() string {
	p, err := s.parse()
	switch {
	case err != nil:
		return "[" + err.Error() + "]"
	case p.Name == p.URL:
		return p.Name
	}
	return p.Name + " (" + p.URL + ")"
}

// Validate returns all mistakes in s, except those that only its scheme can find.
func (s Store) Validate() error {
	_, err := s.parse()
	return err
}

// A parsedStore is a Store with its Name, and with a URL without link_ parameters.
type parsedStore struct {
	Store
	url   *url.URL // nil if it cannot be opened
	id    string   // the URL with its parameters in order, so that equal URLs have one id
	index int      // in Config.Providers
	valid bool
}

// parse returns all mistakes in s. If only the URL is valid, it can be opened to find
// more of them.
func (s Store) parse() (parsedStore, error) {
	p := parsedStore{Store: s}
	var faults params.Faults
	u, err := parseURL(s.URL)
	if faults.Add(err); err == nil {
		faults = params.Check(u)
		if len(faults) == 0 {
			p.url = u
		}
		faults.Add(p.takeParameters(u))
		p.Name = cmp.Or(p.Name, u.Scheme)
		sorted := *u
		sorted.RawQuery = u.Query().Encode()
		p.id = sorted.String()
	}
	if faults.Add(p.check()); u != nil && !isStoreName(p.Name) {
		p.Name = u.Scheme // no error quotes an invalid name
	}
	p.valid = len(faults) == 0
	return p, faults.Err()
}

// takeParameters moves the link_ parameters from u to s.
func (s *Store) takeParameters(u *url.URL) error {
	var faults params.Faults
	var others []string
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		parameter, text, _ := strings.Cut(pair, "=")
		parameter, _ = url.QueryUnescape(parameter) // valid, because parseURL has parsed it
		text, _ = url.QueryUnescape(text)
		key, ok := strings.CutPrefix(parameter, parameterPrefix)
		if !ok {
			others = append(others, pair)
		} else if !slices.Contains(storeKeys, key) {
			faults.Add(unknown("parameter", parameter, storeParameters))
		} else if err := s.set(key, text); err != nil {
			faults.Add(fmt.Errorf("parameter %q %w", parameter, err))
		}
	}
	u.RawQuery, u.ForceQuery = strings.Join(others, "&"), false
	if s.URL = u.String(); s.URL == u.Scheme+":" {
		s.URL = u.Scheme
	}
	return faults.Err()
}

// set sets the field of one of storeKeys. Errors continue a sentence about the key.
func (s *Store) set(key, text string) error {
	isSet := false
	switch key {
	case "name":
		isSet, s.Name = s.Name != "", text
	case "policy":
		isSet, s.Policy = s.Policy != "", Policy(text)
	case "prefix":
		isSet, s.Prefix = s.Prefix != "", text
	case "timeout":
		d, err := parseDuration(text)
		if err == nil {
			err = isPositive(d, "the limit of the provider")
		}
		if err != nil {
			return err
		}
		isSet, s.Timeout = s.Timeout != 0, d
	}
	switch {
	case isSet:
		return errors.New("is set twice; remove one")
	case text == "":
		return errors.New("is empty; set a value or remove it")
	}
	return nil
}

// check returns the mistakes in s, except those in the URL.
func (s *Store) check() error {
	var faults params.Faults
	if s.Name != "" && !isStoreName(s.Name) {
		faults.Add(errors.New("invalid name; use 1 to 64 letters, digits and + . - _"))
	}
	if s.Timeout < 0 {
		faults.Add(errors.New("the timeout must not be negative"))
	}
	if err := isPolicy(s.Policy); err != nil {
		faults.Add(fmt.Errorf("the policy %w", err))
	}
	if s.Prefix != "" && hush.Name(s.Prefix).Validate() != nil {
		faults.Add(errors.New("invalid prefix; use the first characters of a secret's name"))
	}
	return faults.Err()
}

func isPolicy(p Policy) error { return oneOf(p, PolicyAny, PolicyOutages) }

func isStoreName(text string) bool {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+._-"
	return text != "" && len(text) <= 64 && strings.Trim(text, allowed) == ""
}

// parseURL parses the URL of a store. It does not refuse credentials.
func parseURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("the URL is empty; write for example direct:?region=eu-west-1")
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsSpace) {
		return nil, errors.New("invalid URL; write UTF-8 without spaces, and %20 for a space")
	}
	full := text
	if !strings.Contains(text, ":") {
		full += ":"
	}
	u, err := url.Parse(full)
	if err != nil || u.Scheme == "" {
		return nil, fmt.Errorf("invalid URL; %s", adviceForURL(text))
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return nil, errors.New("invalid parameters of the URL; write key=value, with & between two parameters")
	}
	return u, nil
}

// adviceForURL returns what to write instead of text.
func adviceForURL(text string) string {
	base, _, _ := strings.Cut(text, "?")
	switch {
	case strings.Contains(base, ","):
		return "separate the URLs of a list by spaces"
	case base != text && !strings.Contains(base, ":"):
		return "write a colon and a question mark before parameters, as in direct:?region=eu-west-1"
	}
	return "write for example extension or direct:?region=eu-west-1"
}
