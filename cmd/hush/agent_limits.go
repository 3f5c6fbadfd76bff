package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/hush-secrets/hush/config"
)

// loopbackAddr returns addr as it is listened on or dialled: an address and a port
// of this machine's own, for nobody else may ask.
func loopbackAddr(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", errors.New("--addr is an address and a port, such as 127.0.0.1:2773")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", errors.New("--addr has no port from 0 to 65535")
	}
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1" // and not ::1, where no client looks
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.Unmap().IsLoopback() || ip.Zone() != "" {
		return "", fmt.Errorf("--addr %q is not a loopback address, such as 127.0.0.1:2773: secrets are served to this machine alone", addr)
	}
	return net.JoinHostPort(host, port), nil
}

// isPathPrefix reports whether a path can begin with text, as it is on the wire, and
// a name come after it.
func isPathPrefix(text string) bool {
	u := url.URL{Path: text}
	return strings.HasPrefix(text, "/") && strings.HasSuffix(text, "/") && u.EscapedPath() == text
}

// servable returns why these stores may not be served to others.
func servable(links []config.OpenStore) error {
	for _, l := range links {
		if l.Scheme != "env" {
			continue
		}
		prefix := strings.ToUpper(parameter(l.URL, "prefix") + variableFor(l.Prefix, ""))
		if prefix == "" {
			return fmt.Errorf("%s: without a prefix every variable of the agent is a secret that it serves, its own credentials among them: write env:?prefix=APP_, or link_prefix", l.Name)
		}
		for _, own := range ownPrefixes {
			if strings.HasPrefix(prefix, own) || strings.HasPrefix(own, prefix) {
				return fmt.Errorf("%s: variables with the prefix %s are the agent's own, its credentials among them: say another prefix, such as APP_", l.Name, prefix)
			}
		}
	}
	return nil
}

// parameter returns a parameter of a store's URL, which was parsed before.
func parameter(store, name string) string {
	_, query, _ := strings.Cut(store, "?")
	values, _ := url.ParseQuery(query)
	return values.Get(name)
}

const (
	extensionPort     = "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"
	extensionStandard = "2773"
)

// notItself returns an error if the agent would ask itself, and itself again.
func notItself(links []config.OpenStore, at net.Addr) error {
	_, own, _ := net.SplitHostPort(at.String())
	for _, l := range links {
		if l.Scheme != "extension" {
			continue
		}
		port := cmp.Or(os.Getenv(extensionPort), extensionStandard)
		if u, err := url.Parse(parameter(l.URL, "endpoint")); err == nil && u.Port() != "" {
			port = u.Port()
		}
		if port == own {
			return fmt.Errorf("%s: port %s is the agent's own, and it would ask itself: leave that store out, or say another --addr", l.Name, own)
		}
	}
	return nil
}
