package awsdirect

import (
	"errors"
	"log/slog"
	"net"
	"net/url"
)

// checkEndpoint refuses an endpoint that is not a URL of a server. It does not quote
// the endpoint, which may have a password.
func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the endpoint is not an http or https URL: use https://host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("the endpoint has more than a scheme, a host and a path: use https://host")
	}
	return nil
}

// warnPlaintext logs an endpoint that is reached over a network without TLS,
// regardless of whether the option, a variable or a profile gave it.
func (o *Options) warnPlaintext(endpoint string) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" || isLoopback(u.Hostname()) {
		return
	}
	logger := o.Logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.Warn("direct: the endpoint is not https: anyone on the way to it can read the secrets",
		slog.String("endpoint", u.Scheme+"://"+u.Host))
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
