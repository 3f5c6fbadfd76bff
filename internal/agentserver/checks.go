package agentserver

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/internal/namepattern"
)

// LoopbackAddr returns addr with an IP address as its host. It returns an error if addr
// is not an address and a port of this machine's loopback interface.
func LoopbackAddr(addr string) (string, error) {
	if port, ok := strings.CutPrefix(strings.ToLower(addr), "localhost:"); ok {
		addr = "127.0.0.1:" + port // clients do not try ::1
	}
	parsed, err := netip.ParseAddrPort(addr)
	if ip := parsed.Addr(); err != nil || !ip.Unmap().IsLoopback() || ip.Zone() != "" {
		return "", errors.New("must be a loopback address with a port, such as 127.0.0.1:2773, because secrets are served to this machine only")
	}
	return parsed.String(), nil
}

// ValidPathPrefix reports whether text can precede a name in the path of a request.
func ValidPathPrefix(text string) bool {
	u := url.URL{Path: text}
	return strings.HasPrefix(text, "/") && strings.HasSuffix(text, "/") && u.EscapedPath() == text
}

// CheckStores returns an error if serving the stores would serve the agent's own
// credentials.
func CheckStores(stores []config.OpenStore) error {
	for _, store := range stores {
		if store.Scheme != envScheme {
			continue
		}
		prefix := urlParameter(store.URL, "prefix")
		prefix = strings.ToUpper(cmp.Or(env.New(&env.Options{Prefix: prefix}).Variable(store.Prefix), prefix))
		if prefix == "" {
			return fmt.Errorf("%s: a prefix is required, because every variable of the agent, including its credentials, would be a secret: use env:?prefix=APP_ or link_prefix", store.Name)
		}
		for _, own := range ownPrefixes {
			if strings.HasPrefix(prefix, own) || strings.HasPrefix(own, prefix) {
				return fmt.Errorf("%s: variables with the prefix %s are the agent's own and include its credentials: use another prefix, such as APP_", store.Name, prefix)
			}
		}
	}
	return nil
}

// urlParameter returns a parameter of a store's URL, which config has validated.
func urlParameter(store, name string) string {
	_, query, _ := strings.Cut(store, "?")
	values, _ := url.ParseQuery(query)
	return values.Get(name)
}

// The variable that has the port of the Lambda extension, and the port by default.
const (
	extensionPortVariable = "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"
	extensionDefaultPort  = "2773"
)

// CheckLoop returns an error if an agent that listens on addr would send requests to
// itself.
func CheckLoop(stores []config.OpenStore, addr net.Addr) error {
	_, own, _ := net.SplitHostPort(addr.String())
	for _, store := range stores {
		if store.Scheme != "extension" {
			continue
		}
		port := cmp.Or(os.Getenv(extensionPortVariable), extensionDefaultPort)
		if u, err := url.Parse(urlParameter(store.URL, "endpoint")); err == nil && u.Port() != "" {
			port = u.Port()
		}
		if port == own {
			return fmt.Errorf("%s: port %s is the agent's own, so that the agent would send requests to itself: remove this store or use another --addr", store.Name, own)
		}
	}
	return nil
}

// CheckPattern returns an error if pattern is not valid, or if it probably matches fewer
// names than its author expects. Otherwise missing secrets would be the only sign.
func CheckPattern(pattern string) error {
	if pattern == "" {
		return errors.New("an empty pattern matches no name")
	}
	if _, err := namepattern.Parse(pattern); err != nil {
		return errors.New(`not a valid pattern: a [ without a ], a range without an end, or a trailing \`)
	}
	text, inSet := []rune(pattern), false
	for i := 0; i < len(text); i++ {
		rest := string(text[i:])
		switch {
		case text[i] == '\\':
			i++ // skip the escaped character
		case inSet && text[i] == ']':
			inSet = false
		case inSet && text[i] == '/':
			return errors.New("a set contains a slash, but sets never match a slash")
		case inSet && text[i] == '-' && text[i-1] > rangeEnd(text[i+1:]):
			return errors.New("a range ends before it begins, so that it matches nothing")
		case inSet:
		case strings.HasPrefix(rest, "**"):
			return errors.New("** matches the same as *, which stops at a slash: add a pattern for each depth")
		case strings.HasPrefix(rest, "[!"):
			return errors.New("write a negated set as [^…]")
		default:
			inSet = text[i] == '['
		}
	}
	return nil
}

// rangeEnd returns the character that ends a range.
func rangeEnd(text []rune) rune {
	if text[0] == '\\' {
		return text[1]
	}
	return text[0]
}
