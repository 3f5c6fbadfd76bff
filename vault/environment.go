package vault

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/params"
	"github.com/hush-secrets/hush/vault/internal/call"
	"github.com/hush-secrets/hush/vault/internal/route"
)

// settings combines the options of a client with the VAULT_ variables. As for the
// official client, an empty variable is not set. Its methods add to faults what is
// invalid, without quoting it.
type settings struct {
	ignoreEnv bool
	faults    params.Faults
}

func (s *settings) env(variable string) string {
	if s.ignoreEnv {
		return ""
	}
	return os.Getenv(variable)
}

// text returns the value of an option, or of its variable if the option is empty. what is
// the word for it in errors.
func (s *settings) text(what, option, variable string) string {
	found := s.env(variable)
	if option != "" && found != "" && option != found {
		s.faults.Add(conflict(what, variable))
	}
	return cmp.Or(option, found)
}

func conflict(what, variable string) error {
	return fmt.Errorf("%s differs from the configured %s: unset one of them", variable, what)
}

// destination returns the addresses. Its error is ErrAbsent if there are none.
func (s *settings) destination(addresses []string) (route.Destination, error) {
	prefix := ""
	for _, variable := range []string{api.EnvVaultAgentAddr, api.EnvVaultAddress} { // in the official client's order
		found := s.env(variable)
		switch {
		case found == "" || prefix != "":
		case len(addresses) == 0:
			addresses, prefix = []string{found}, variable+": "
		case len(addresses) > 1 || !route.SameAddress(addresses[0], found):
			return route.Destination{}, conflict("address", variable)
		}
	}
	if len(addresses) == 0 {
		return route.Destination{}, call.Failf(hush.ErrAbsent, "no address of Vault: configure one, or set %s", api.EnvVaultAddress)
	}
	to, err := route.ParseDestination(addresses)
	if err != nil {
		return to, fmt.Errorf("%s%w", prefix, err)
	}
	s.checkSRV(to)
	return to, nil
}

// checkSRV rejects an address whose host DNS would choose. The official client looks up
// SRV records for an address without a port.
func (s *settings) checkSRV(to route.Destination) {
	if lookup, _ := s.flag(api.EnvVaultSRVLookup); !lookup || to.Socket != "" {
		return
	}
	if slices.ContainsFunc(to.Origins, func(o route.Origin) bool { return !o.HasPort() }) {
		s.faults.Add(fmt.Errorf("%s is true, but hush does not look up SRV records: add a port to each address", api.EnvVaultSRVLookup))
	}
}

func (s *settings) routeOptions(opts *ClientOptions) route.Options {
	noRedirects, _ := s.flag(api.EnvVaultDisableRedirects)
	return route.Options{
		TLS: s.tlsConfig(opts), Proxy: s.proxy(), NoRedirects: noRedirects,
		// If there is an address in the environment, it is the client's: see destination.
		FromEnvironment: s.env(api.EnvVaultAgentAddr) != "" || s.env(api.EnvVaultAddress) != "",
	}
}

// flag returns the value of a boolean variable, and whether it is set.
func (s *settings) flag(variable string) (value, isSet bool) {
	text := s.env(variable)
	if text == "" {
		return false, false
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		s.invalid(variable, "true or false")
	}
	return value, true
}

// invalid adds the fault that a variable is not valid.
func (s *settings) invalid(variable, want string) {
	s.faults.Add(fmt.Errorf("invalid %s: use %s", variable, want))
}

func (s *settings) retries() int {
	text := s.env(api.EnvVaultMaxRetries)
	if text == "" {
		return defaultRetries
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		s.invalid(api.EnvVaultMaxRetries, "a number of retries, such as 2")
	}
	return int(n)
}

func (s *settings) requestTimeout() time.Duration {
	text := s.env(api.EnvVaultClientTimeout)
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		text = fmt.Sprintf("%ds", seconds)
	}
	d, err := time.ParseDuration(cmp.Or(text, "0"))
	if err != nil || d < 0 {
		s.invalid(api.EnvVaultClientTimeout, "a number of seconds, or a duration such as 30s")
	}
	return cmp.Or(d, requestTimeout)
}

// rateLimit returns the number of requests per second and of requests at once. Zero means
// no limit.
func (s *settings) rateLimit() (perSecond float64, burst int) {
	text := s.env(api.EnvRateLimit)
	if text == "" {
		return 0, 0
	}
	rate, most, hasBurst := strings.Cut(text, ":")
	perSecond, err := strconv.ParseFloat(rate, 64)
	burst = int(perSecond)
	if hasBurst && err == nil {
		burst, err = strconv.Atoi(most)
	}
	if err != nil || !(perSecond > 0) || burst < 0 {
		s.invalid(api.EnvRateLimit, "requests per second such as 100, or 100:20 with a burst of 20")
	}
	return perSecond, max(burst, 1)
}

// proxy returns the proxy for Vault alone, or nil.
func (s *settings) proxy() *url.URL {
	for _, variable := range []string{api.EnvVaultProxyAddr, api.EnvHTTPProxy} {
		text := s.env(variable)
		if text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
			s.invalid(variable, "the URL of a proxy, such as http://host:3128")
		}
		return u
	}
	return nil
}

// headers returns the headers of each request.
func (s *settings) headers(namespace string) http.Header {
	headers := http.Header{api.RequestHeaderName: {"true"}} // Vault's protection against forged requests
	if text := s.env(api.EnvVaultHeaders); text != "" {
		given := map[string]string{}
		if json.Unmarshal([]byte(text), &given) != nil {
			s.invalid(api.EnvVaultHeaders, `a JSON object of strings, such as {"X-Team":"a"}`)
		}
		for key, value := range given {
			if strings.HasPrefix(strings.ToLower(key), "x-vault-") {
				s.faults.Add(errors.New(api.EnvVaultHeaders + " has a header that begins with X-Vault-: these are reserved for Vault"))
			}
			headers.Add(key, value)
		}
	}
	found := strings.Trim(s.env(api.EnvVaultNamespace), "/")
	namespace = strings.Trim(namespace, "/")
	if namespace != "" && found != "" && namespace != found {
		s.faults.Add(conflict("namespace", api.EnvVaultNamespace))
	}
	if namespace = cmp.Or(namespace, found); namespace != "" {
		headers.Set(api.NamespaceHeaderName, namespace)
	}
	return headers
}
