package extension

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// portVariable is where the extension's own configuration has its port, and
// defaultPort what it and the agent listen on without it.
const (
	portVariable = "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"
	defaultPort  = "2773"
)

// endpoint returns the address and port to dial, and whether anybody gave one.
// Its errors do not quote what was given, in which a credential may hide.
func endpoint(given string) (server string, told bool, err error) {
	if given != "" {
		server, err = parseEndpoint(given)
		return server, true, err
	}
	port, told := os.LookupEnv(portVariable)
	if port == "" {
		port, told = defaultPort, false
	}
	if !isPort(port) {
		return "", told, errors.New(portVariable + " is no port number from 1 to 65535")
	}
	return net.JoinHostPort("127.0.0.1", port), told, nil
}

func parseEndpoint(given string) (server string, err error) {
	u, err := url.Parse(given)
	switch {
	case err != nil:
		return "", errors.New("the endpoint is not a URL: use http://127.0.0.1:" + defaultPort)
	case u.User != nil:
		return "", errors.New("the endpoint has user info: it takes no credential, the token goes elsewhere")
	case u.Scheme != "http":
		return "", errors.New("the endpoint does not begin with http://: the extension speaks nothing else")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return "", errors.New("the endpoint has more than an address and a port: use http://127.0.0.1:" + defaultPort)
	case !isPort(u.Port()):
		return "", errors.New("the endpoint has no port number from 1 to 65535: use http://127.0.0.1:" + defaultPort)
	}
	host := u.Hostname()
	if strings.EqualFold(host, "localhost") {
		// It may resolve to ::1, where the extension does not listen.
		host = "127.0.0.1"
	}
	if addr, err := netip.ParseAddr(host); err != nil || addr.Zone() != "" || !addr.Unmap().IsLoopback() {
		return "", errors.New("the endpoint is not a loopback address, and a token goes nowhere else: use http://127.0.0.1:" + defaultPort)
	}
	return net.JoinHostPort(host, u.Port()), nil
}

func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port != 0
}
