package route

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// maxAddresses is the maximum number of addresses of a client. No cluster has more
// nodes.
const maxAddresses = 16

// A Destination is the set of addresses that a client may send requests to.
type Destination struct {
	Origins []Origin
	Socket  string // path of a Unix socket; Origins then has one placeholder
}

// ParseDestination parses the addresses of one cluster: URLs that are all https or
// all http, or one of the form "unix:///run/vault.sock". Errors do not quote an
// address, because it may contain a password.
func ParseDestination(addresses []string) (Destination, error) {
	if socket, ok := strings.CutPrefix(addresses[0], "unix://"); ok && len(addresses) == 1 && strings.HasPrefix(socket, "/") {
		return Destination{Origins: []Origin{{scheme: "http", host: "localhost", name: "localhost"}}, Socket: socket}, nil
	}
	if len(addresses) > maxAddresses {
		return Destination{}, fmt.Errorf("%d addresses exceed the limit of %d", len(addresses), maxAddresses)
	}
	var d Destination
	for i, address := range addresses {
		o, err := parseAddress(address)
		if err != nil {
			return Destination{}, fmt.Errorf("address %d: %w", i+1, err)
		}
		d.Origins = append(d.Origins, o)
		if o.scheme != d.Origins[0].scheme {
			return Destination{}, errors.New("some addresses are https and some are http: use one scheme, because each request can go to any address")
		}
	}
	return d, nil
}

// SameAddress reports whether a and b are the same text or name the same origin.
func SameAddress(a, b string) bool {
	if a == b {
		return true
	}
	p, err := parseAddress(a)
	q, err2 := parseAddress(b)
	return err == nil && err2 == nil && p.is(q)
}

// An Origin is a scheme, a host and a port.
type Origin struct {
	scheme string
	host   string // as given, with the port if there is one
	name   string // the host without the port, in lower case
	port   string // empty means the scheme's default
}

func newOrigin(u *url.URL) Origin {
	return Origin{scheme: u.Scheme, host: u.Host, name: strings.ToLower(u.Hostname()), port: u.Port()}
}

// String returns the origin as a URL.
func (o Origin) String() string { return o.scheme + "://" + o.host }

// IsHTTPS reports whether requests to o are encrypted.
func (o Origin) IsHTTPS() bool { return o.scheme == "https" }

// HasPort reports whether the address of o names a port.
func (o Origin) HasPort() bool { return o.port != "" }

// is reports whether o and p are the same origin.
func (o Origin) is(p Origin) bool {
	return o.scheme == p.scheme && (o.host == p.host || o.name == p.name && o.portNumber() == p.portNumber())
}

func (o Origin) portNumber() string {
	switch {
	case o.port != "":
		return o.port
	case o.scheme == "https":
		return "443"
	}
	return "80"
}

// dialAddress returns the host and the port to connect to.
func (o Origin) dialAddress() string { return net.JoinHostPort(o.name, o.portNumber()) }

func (o Origin) isLoopback() bool {
	ip, err := netip.ParseAddr(o.name)
	return o.name == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// parseAddress parses an address that has a host, and optionally a scheme and a
// port. The default scheme is https.
func parseAddress(address string) (Origin, error) {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return Origin{}, errors.New("invalid URL: use https://host:8200")
	case u.User != nil:
		return Origin{}, errors.New("user info is not allowed: an address must not contain a credential")
	case u.Scheme != "https" && u.Scheme != "http":
		return Origin{}, errors.New("unsupported scheme: use https, http, or unix as in unix:///run/vault.sock")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return Origin{}, errors.New("only a host and a port are allowed: use https://host:8200")
	case !isHost(u.Hostname()):
		return Origin{}, errors.New("invalid host: use https://host:8200")
	case u.Port() != "" && !isPort(u.Port()), strings.HasSuffix(u.Host, ":"):
		return Origin{}, errors.New("invalid port: use a number from 1 to 65535, as in https://host:8200")
	}
	return newOrigin(u), nil
}

func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port != 0
}

// isHost reports whether name is an IP address or can be a host name.
func isHost(name string) bool {
	if net.ParseIP(name) != nil {
		return true
	}
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-_."
	return strings.Trim(name, ".-") != "" && strings.Trim(strings.ToLower(name), letters) == ""
}

// CheckPath returns an error for an API path that could leave its mount, or that the
// client would change before it sends it: a path with an empty segment, with a segment
// of dots, or with a control character. The error does not quote the path.
func CheckPath(path string) error {
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "":
			return errors.New("empty path segment: remove leading, trailing and double slashes")
		case ".", "..":
			return fmt.Errorf("path segment %q is not allowed: write the path without it", segment)
		}
	}
	if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("the path contains a control character")
	}
	return nil
}
