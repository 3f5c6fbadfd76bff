package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/params"
)

// A Store is one store in the order in which they are asked.
//
// In a file it is its URL, or a mapping of url, name, timeout, policy and prefix. In
// a URL, wherever that is, the last four are the parameters link_name, link_timeout,
// link_policy and link_prefix, which the scheme does not see. A parameter that
// begins with link_ is never a scheme's.
type Store struct {
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

// ParseStore reads a link from a URL with the parameters that are the link's, such as
// "direct:?region=eu-west-1&link_name=ireland". It does not ask whether there is such
// a scheme. No error quotes the URL.
func ParseStore(text string) (Store, error) {
	l, _, err := Store{URL: text}.split()
	if err == nil {
		r, _ := l.resolve()
		err = r.fault
	}
	return l, err
}

// String returns the URL that ParseStore reads back as l, or what is wrong with l in
// brackets: a URL that does not parse may hold what it should not.
func (l Store) String() string {
	plain, _, err := l.split()
	if err != nil {
		return "[" + err.Error() + "]"
	}
	return plain.text()
}

// text is String of what split has returned.
func (l Store) text() string {
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
// URL parsed, or nil if it cannot be or holds a credential. It tells all that is
// wrong with l.
func (l Store) split() (Store, *url.URL, error) {
	var faults params.Faults
	u, err := parseURL(l.URL)
	if faults.Add(err); err == nil {
		faults = params.Check(u)
		credential := len(faults) > 0
		if l = l.cut(u, &faults); credential {
			u = nil
		}
	}
	faults.Add(l.check())
	return l, u, faults.Err()
}

// cut returns l with what the parameters in its URL say, which it takes out of that
// and of u.
func (l Store) cut(u *url.URL, faults *params.Faults) Store {
	base, query, fragment := cutURL(l.URL)
	var rest []string
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		key, _ = url.QueryUnescape(key)     // parseURL has seen
		value, _ = url.QueryUnescape(value) // that these work
		if strings.HasPrefix(key, linkParameter) {
			faults.Add(l.take(key, value))
		} else {
			rest = append(rest, pair)
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
	return l
}

// take sets what a parameter of the link says.
func (l *Store) take(key, value string) error {
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

// isLinkName reports whether text can be the name of a link.
func isLinkName(text string) bool {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+._-"
	return text != "" && len(text) <= 64 && strings.Trim(text, allowed) == ""
}

// check returns what is wrong with the settings of l beside its URL.
func (l *Store) check() error {
	var faults params.Faults
	if l.Name != "" && !isLinkName(l.Name) {
		faults.Add(errors.New("the name of a link is 1 to 64 letters, digits and any of + . - _"))
	}
	if l.Timeout < 0 {
		faults.Add(errors.New("the timeout is negative"))
	}
	if err := oneOf(l.Policy, PolicyAny, PolicyOutages); err != nil {
		faults.Add(fmt.Errorf("the policy %w", err))
	}
	if l.Prefix != "" && hush.Name(l.Prefix).Validate() != nil {
		faults.Add(errors.New("the prefix is nothing that a name can begin with"))
	}
	return faults.Err()
}

// A resolved link has its name, and its URL parsed.
type resolved struct {
	Store
	place int // among the Providers
	url   *url.URL
	store string // the same for URLs that mean the same
	fault error  // what is wrong with it; the URL is good even so
}

// resolve returns r with all that is known of it, or what is wrong with its URL.
func (l Store) resolve() (r resolved, err error) {
	if r.Store, r.url, r.fault = l.split(); r.url == nil {
		return r, r.fault
	}
	if !isLinkName(r.Name) {
		r.Name = r.url.Scheme
	}
	if r.fault == nil {
		r.fault = r.check() // of that name
	}
	same := *r.url
	same.RawQuery = same.Query().Encode()
	r.store = same.String()
	return r, nil
}
