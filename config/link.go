package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hush-secrets/hush"
)

// A Link is one store in the order in which they are asked.
//
// In a file it is its URL, or a mapping of url, name, timeout, policy and prefix. In
// a URL, wherever that is, the last four are the parameters link_name, link_timeout,
// link_policy and link_prefix, which the scheme does not see. A parameter that
// begins with link_ is never a scheme's.
type Link struct {
	// URL says which store, in the way of its scheme. "direct", "direct:" and
	// "direct:?" mean the same. It holds no credential.
	URL string

	// Name is the link's in Names, in log lines, in errors and in Secret.Source: 1
	// to 64 letters, digits and any of + . - _; empty: the scheme's name,
	// which only one link can have.
	Name string

	// Timeout bounds each call of the link. 0: the provider's own limit does.
	Timeout time.Duration

	// Policy says which failures of this link let the next one be asked. Empty:
	// Config.Policy does.
	Policy Policy

	// Prefix is put before the names that Names has no reference for.
	Prefix string
}

// The parameters of a URL that are the link's.
const (
	linkParameter    = "link_"
	nameParameter    = "link_name"
	timeoutParameter = "link_timeout"
	policyParameter  = "link_policy"
	prefixParameter  = "link_prefix"
)

var linkParameters = []string{nameParameter, timeoutParameter, policyParameter, prefixParameter}

// ParseLink reads a link from a URL with the parameters that are the link's, such as
// "direct:?region=eu-west-1&link_name=ireland". It does not ask whether there is such
// a scheme. No error quotes the URL.
func ParseLink(text string) (Link, error) {
	l, _, err := Link{URL: text}.split()
	if err == nil {
		_, err = l.resolve()
	}
	return l, err
}

// String returns the URL that ParseLink reads back as l, or what is wrong with l in
// brackets: a URL that does not parse may hold what it should not.
func (l Link) String() string {
	plain, _, err := l.split()
	if err != nil {
		return "[" + err.Error() + "]"
	}
	return plain.text()
}

// text is String of what split has returned.
func (l Link) text() string {
	var query []string
	add := func(key, value string) {
		if value != "" {
			query = append(query, key+"="+url.QueryEscape(value))
		}
	}
	add(nameParameter, l.Name)
	if l.Timeout != 0 {
		add(timeoutParameter, formatDuration(l.Timeout))
	}
	add(policyParameter, string(l.Policy))
	add(prefixParameter, l.Prefix)
	if len(query) == 0 {
		return l.URL
	}
	base, old, fragment := cutURL(l.URL)
	if old != "" {
		query = slices.Insert(query, 0, old)
	}
	if !strings.Contains(base, ":") {
		base += ":"
	}
	return base + "?" + strings.Join(query, "&") + fragment
}

// split returns l with the parameters that are the link's out of its URL, and that
// URL parsed.
func (l Link) split() (Link, *url.URL, error) {
	u, err := parseURL(l.URL)
	if err != nil {
		return l, nil, err
	}
	base, query, fragment := cutURL(l.URL)
	var rest []string
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		key, _ = url.QueryUnescape(key)     // parseURL has seen
		value, _ = url.QueryUnescape(value) // that these work
		if !strings.HasPrefix(key, linkParameter) {
			rest = append(rest, pair)
		} else if err := l.take(key, value); err != nil {
			return l, nil, err
		}
	}
	u.RawQuery, u.ForceQuery = strings.Join(rest, "&"), false
	switch l.URL = base; {
	case u.RawQuery != "":
		l.URL += "?" + u.RawQuery + fragment
	case fragment != "":
		l.URL += fragment
	case strings.IndexByte(base, ':') == len(base)-1:
		l.URL = strings.TrimSuffix(base, ":") // a bare scheme
	}
	err = l.check()
	return l, u, err
}

// take sets what a parameter of the link says.
func (l *Link) take(key, value string) error {
	var given bool
	switch key {
	case nameParameter:
		given, l.Name = l.Name != "", value
	case policyParameter:
		given, l.Policy = l.Policy != "", Policy(value)
	case prefixParameter:
		given, l.Prefix = l.Prefix != "", value
	case timeoutParameter:
		d, err := parseTimeout(value)
		if err != nil {
			return fmt.Errorf("parameter %q %w", key, err)
		}
		given, l.Timeout = l.Timeout != 0, d
	default:
		return unknown("parameter of a link", key, linkParameters)
	}
	switch {
	case given:
		return fmt.Errorf("parameter %q says what is said already", key)
	case value == "":
		return fmt.Errorf("parameter %q is empty", key)
	}
	return nil
}

var linkName = regexp.MustCompile(`^[A-Za-z0-9+._-]{1,64}$`)

// check returns what is wrong with the settings of l beside its URL.
func (l *Link) check() error {
	if l.Name != "" && !linkName.MatchString(l.Name) {
		return errors.New("the name of a link is 1 to 64 letters, digits and any of + . - _")
	}
	if l.Timeout < 0 {
		return errors.New("the timeout is negative")
	}
	if err := oneOf(l.Policy, PolicyAny, PolicyOutages); err != nil {
		return fmt.Errorf("the policy %w", err)
	}
	if l.Prefix != "" && hush.Name(l.Prefix).Validate() != nil {
		return errors.New("the prefix is nothing that a name can begin with")
	}
	return nil
}

// A resolved link has its name, and its URL parsed.
type resolved struct {
	Link
	place int // among the Providers
	url   *url.URL
	store string // the same for URLs that mean the same
}

func (l Link) resolve() (r resolved, err error) {
	if r.Link, r.url, err = l.split(); err != nil {
		return r, err
	}
	if r.Name == "" {
		r.Name = r.url.Scheme
	}
	same := *r.url
	same.RawQuery = same.Query().Encode()
	r.store = same.String()
	err = r.check()
	return r, err
}
