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
func clientOptions(u *url.URL, v *params.Values) *ClientOptions {
	opts := &ClientOptions{
		Namespace: v.Text("namespace"), CAFile: v.Text("ca_file"), CAPath: v.Text("ca_path"),
		ClientCertFile: v.Text("client_cert_file"), ClientKeyFile: v.Text("client_key_file"), ServerName: v.Text("server_name"),
	}
	scheme := "https://"
	if isPlain(u, v) {
		scheme = "http://"
	}
	if u.Host == "" {
		return opts
	}
	for host := range strings.SplitSeq(u.Host, ",") {
		if at, err := url.Parse(scheme + host); err == nil && at.Port() == "" && !strings.HasSuffix(host, ":") {
			host += ":" + defaultPort
		}
		opts.Addresses = append(opts.Addresses, scheme+host)
	}
	return opts
}

// isPlain reports whether the hosts of u are spoken to without TLS, and adds to v what
// makes no sense then.
func isPlain(u *url.URL, v *params.Values) bool {
	if !v.Has("tls") {
		return false
	}
	if u.Host == "" {
		v.Add(errors.New(`parameter "tls" goes with a host in the URL: VAULT_ADDR says by itself whether it is https`))
	}
	if v.Bool("tls") || v.Text("tls") != "false" {
		return false
	}
	for _, key := range []string{"ca_file", "ca_path", "client_cert_file", "client_key_file", "server_name"} {
		if v.Has(key) {
			v.Add(fmt.Errorf("parameter %q is about TLS: it does not go with tls=false", key))
		}
	}
	return true
}
