package vault

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/params"
)

// absent is the provider of a Vault that nobody gave the address of.
func absent(err error) hush.Provider {
	cause := err
	if e, ok := errors.AsType[*hush.Error](err); ok {
		cause = e.Err
	}
	return hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		if err := ref.Validate(); err != nil {
			return hush.Secret{}, err
		}
		if err := ctx.Err(); err != nil {
			return hush.Secret{}, hush.NewError(name, ref, hush.ErrCanceled, err)
		}
		return hush.Secret{}, hush.NewError(name, ref, hush.ErrAbsent, cause)
	})
}

// inURL is what fields of ClientOptions are called in a URL.
func inURL(field string) string {
	switch field {
	case "Addresses":
		return "the URL's host"
	case "Namespace":
		return `parameter "namespace"`
	case "CAFile":
		return `parameter "ca_file"`
	case "CAPath":
		return `parameter "ca_path"`
	case "ClientCertFile":
		return `parameter "client_cert_file"`
	case "ClientKeyFile":
		return `parameter "client_key_file"`
	case "ServerName":
		return `parameter "server_name"`
	}
	return "ClientOptions." + field
}

// clientOptions returns the options of the client for u.
func clientOptions(u *url.URL, values map[string]string) (*ClientOptions, error) {
	plain, err := isPlain(u, values)
	if err != nil {
		return nil, err
	}
	opts := &ClientOptions{
		Namespace: values["namespace"], CAFile: values["ca_file"], CAPath: values["ca_path"],
		ClientCertFile: values["client_cert_file"], ClientKeyFile: values["client_key_file"], ServerName: values["server_name"],
	}
	if u.Host == "" {
		return opts, nil
	}
	scheme := "https://"
	if plain {
		scheme = "http://"
	}
	for host := range strings.SplitSeq(u.Host, ",") {
		if at, err := url.Parse(scheme + host); err == nil && at.Port() == "" && !strings.HasSuffix(host, ":") {
			host += ":" + defaultPort
		}
		opts.Addresses = append(opts.Addresses, scheme+host)
	}
	return opts, nil
}

// isPlain reports whether the hosts of u are spoken to without TLS, and refuses what
// makes no sense then.
func isPlain(u *url.URL, values map[string]string) (bool, error) {
	if _, told := values["tls"]; !told {
		return false, nil
	}
	encrypted, err := params.Bool(values, "tls")
	switch {
	case err != nil || encrypted:
		return false, err
	case u.Host == "":
		return false, errors.New(`parameter "tls" goes with a host in the URL: VAULT_ADDR says by itself whether it is https`)
	}
	for _, key := range []string{"ca_file", "ca_path", "client_cert_file", "client_key_file", "server_name"} {
		if _, told := values[key]; told {
			return false, fmt.Errorf("parameter %q is about TLS: it does not go with tls=false", key)
		}
	}
	return true, nil
}
