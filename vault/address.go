package vault

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// An origin is where requests go: a scheme, a host and a port.
type origin struct {
	scheme string
	host   string // as it was given, with its port if it has one
	name   string // the host alone, in lower case
	port   string // empty: the scheme's
}

func newOrigin(u *url.URL) origin {
	return origin{scheme: u.Scheme, host: u.Host, name: strings.ToLower(u.Hostname()), port: u.Port()}
}

// String returns the origin as a URL.
func (o origin) String() string { return o.scheme + "://" + o.host }

// is reports whether o and p are the same place.
func (o origin) is(p origin) bool {
	return o.scheme == p.scheme && (o.host == p.host || o.name == p.name && o.number() == p.number())
}

// number returns the port, be it given or the scheme's.
func (o origin) number() string {
	switch {
	case o.port != "":
		return o.port
	case o.scheme == "https":
		return "443"
	}
	return "80"
}

// address returns the host and the port to dial.
func (o origin) address() string { return net.JoinHostPort(o.name, o.number()) }

// isLoopback reports whether o is this machine.
func (o origin) isLoopback() bool {
	ip, err := netip.ParseAddr(o.name)
	return o.name == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// parseOrigin returns the origin of an address, which may have a path.
func parseOrigin(address string) (origin, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return origin{}, errors.New("it is no https or http URL")
	}
	return newOrigin(u), nil
}

// parseAddress returns the origin of an address that is an origin and no more.
// Without a scheme it is https. No error quotes it, for a password may be in it.
func parseAddress(address string) (origin, error) {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return origin{}, errors.New("it is no URL: use https://host:8200")
	case u.User != nil:
		return origin{}, errors.New("it has user info: an address holds no credential")
	case u.Scheme != "https" && u.Scheme != "http":
		return origin{}, errors.New("its scheme is not https or http, or unix as in unix:///run/vault.sock")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return origin{}, errors.New("it has more than a host and a port: use https://host:8200")
	case !isHost(u.Hostname()):
		return origin{}, errors.New("it has no host that can be: use https://host:8200")
	case u.Port() != "" && !isPort(u.Port()), strings.HasSuffix(u.Host, ":"):
		return origin{}, errors.New("it has no port number from 1 to 65535: use https://host:8200")
	}
	return newOrigin(u), nil
}

func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port != 0
}

// isHost reports whether name is an IP address or can be a host's name.
func isHost(name string) bool {
	if net.ParseIP(name) != nil {
		return true
	}
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-_."
	return strings.Trim(name, ".-") != "" && strings.Trim(strings.ToLower(name), letters) == ""
}
