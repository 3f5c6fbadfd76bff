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
	"github.com/hush-secrets/hush/vault/internal/route"
)

// An environment is the VAULT_ variables. One that is empty is not set, as for the
// official client.
type environment struct {
	ignored bool
	called  func(field string) string // what the user knows a field of ClientOptions as
}

func (e environment) get(variable string) string {
	if e.ignored {
		return ""
	}
	return os.Getenv(variable)
}

// text returns what the option or the variable says. To say it differently is an
// error, which quotes neither.
func (e environment) text(field, given, variable string) (string, error) {
	found := e.get(variable)
	switch {
	case given == "":
		return found, nil
	case found == "" || found == given:
		return given, nil
	}
	return "", e.conflict(field, variable)
}

func (e environment) conflict(field, variable string) error {
	return fmt.Errorf("%s and %s say different things, and only one can be meant: unset one of them", e.called(field), variable)
}

// addresses returns the addresses, and who gave them.
func (e environment) addresses(given []string) (addresses []string, giver string, err error) {
	for _, variable := range []string{api.EnvVaultAgentAddr, api.EnvVaultAddress} { // the agent first, as for the official client
		found := e.get(variable)
		switch {
		case found == "":
		case len(given) == 0:
			return []string{found}, variable, nil
		case len(given) > 1 || !route.SameAddress(given[0], found):
			return nil, "", e.conflict("Addresses", variable)
		}
	}
	if len(given) == 0 {
		cause := fmt.Errorf("no address of Vault: set %s or %s", e.called("Addresses"), api.EnvVaultAddress)
		return nil, "", hush.NewError(source, hush.Ref{}, hush.ErrAbsent, cause)
	}
	return given, e.called("Addresses"), nil
}

// namespace returns the namespace, without the slashes around it.
func (e environment) namespace(given string) (string, error) {
	given = strings.Trim(given, "/")
	found := strings.Trim(e.get(api.EnvVaultNamespace), "/")
	if given != "" && found != "" && given != found {
		return "", e.conflict("Namespace", api.EnvVaultNamespace)
	}
	return cmp.Or(given, found), nil
}

// flag returns a variable that is true or false.
func (e environment) flag(variable string) (value, told bool, err error) {
	text := e.get(variable)
	if text == "" {
		return false, false, nil
	}
	if value, err = strconv.ParseBool(text); err != nil {
		return false, false, fmt.Errorf("%s is neither true nor false", variable)
	}
	return value, true, nil
}

// unverified returns whether certificates go unverified, which an option alone can
// bring about.
func (e environment) unverified(given bool) (bool, error) {
	skip, told, err := e.flag(api.EnvVaultSkipVerify)
	switch {
	case err != nil:
		return false, err
	case told && skip && !given:
		return false, fmt.Errorf("%s is true, and only %s can turn the verification of certificates off: set both or none",
			api.EnvVaultSkipVerify, e.called("InsecureSkipVerify"))
	case told && !skip && given:
		return false, e.conflict("InsecureSkipVerify", api.EnvVaultSkipVerify)
	}
	return given, nil
}

// retries returns how often a request is tried again.
func (e environment) retries() (int, error) {
	text := e.get(api.EnvVaultMaxRetries)
	if text == "" {
		return defaultRetries, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%s is no number of retries", api.EnvVaultMaxRetries)
	}
	return int(n), nil
}

// timeout returns the limit of a request.
func (e environment) timeout() (time.Duration, error) {
	text := e.get(api.EnvVaultClientTimeout)
	if text == "" {
		return clientTimeout, nil
	}
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		text = fmt.Sprintf("%ds", seconds)
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s is no number of seconds and no duration such as 30s", api.EnvVaultClientTimeout)
	}
	if d == 0 {
		return clientTimeout, nil
	}
	return d, nil
}

// rate returns the limit of requests per second and how many may come at once; zero
// is none.
func (e environment) rate() (perSecond float64, burst int, err error) {
	text := e.get(api.EnvRateLimit)
	if text == "" {
		return 0, 0, nil
	}
	rate, most, told := strings.Cut(text, ":")
	perSecond, err = strconv.ParseFloat(rate, 64)
	burst = int(perSecond)
	if told && err == nil {
		burst, err = strconv.Atoi(most)
	}
	if err != nil || !(perSecond > 0) || burst < 0 {
		return 0, 0, fmt.Errorf("%s is no rate per second such as 100, or 100:20 with a burst", api.EnvRateLimit)
	}
	return perSecond, max(burst, 1), nil
}

// proxy returns the proxy that is meant for Vault alone; nil is none.
func (e environment) proxy() (*url.URL, error) {
	for _, variable := range []string{api.EnvVaultProxyAddr, api.EnvHTTPProxy} {
		text := e.get(variable)
		if text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
			return nil, fmt.Errorf("%s is no URL of a proxy: use http://host:3128", variable)
		}
		return u, nil
	}
	return nil, nil
}

// headers returns what each request carries.
func (e environment) headers(namespace string) (http.Header, error) {
	headers := http.Header{api.RequestHeaderName: {"true"}} // against requests that others make a program send
	if text := e.get(api.EnvVaultHeaders); text != "" {
		given := map[string]string{}
		if json.Unmarshal([]byte(text), &given) != nil {
			return nil, errors.New(api.EnvVaultHeaders + ` is no JSON object of texts, such as {"X-Team":"a"}`)
		}
		for key, value := range given {
			if strings.HasPrefix(strings.ToLower(key), "x-vault-") {
				return nil, fmt.Errorf("%s has a header that begins with X-Vault-, which are Vault's own", api.EnvVaultHeaders)
			}
			headers.Add(key, value)
		}
	}
	if namespace != "" {
		headers.Set(api.NamespaceHeaderName, namespace)
	}
	return headers, nil
}
