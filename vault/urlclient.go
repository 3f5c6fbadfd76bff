package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"
	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/params"
	"github.com/hush-secrets/hush/vault/auth"
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
			return hush.Secret{}, hush.NewError(source, ref, hush.ErrCanceled, err)
		}
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrAbsent, cause)
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

// auth returns how a URL with these parameters logs in; nil is by the client's token.
// What is wrong it adds to v.
func (s schemer) auth(v *params.Values) api.AuthMethod {
	chosen := v.Text("auth")
	switch {
	case chosen != "":
	case v.Has("token_file"):
		chosen = "token_file"
	default:
		chosen = "token"
	}
	i := slices.IndexFunc(s.methods, func(m auth.Method) bool { return m.Name == chosen })
	if i < 0 {
		v.Add(fmt.Errorf("parameter %q is none of %s", "auth", strings.Join(s.names(), ", ")))
		return nil
	}
	taken := s.taken(v, s.methods[i])
	if v.Err() != nil { // what a method needs may be among what is wrong
		return nil
	}
	method, err := s.methods[i].Open(taken)
	if err != nil {
		v.Add(fmt.Errorf("auth=%s: %w", chosen, err))
	}
	return method
}

// taken returns the parameters that m takes, and adds to v those that nobody does.
func (s schemer) taken(v *params.Values, m auth.Method) map[string]string {
	taken, given := map[string]string{}, v.All()
	for _, key := range slices.Sorted(maps.Keys(given)) {
		switch {
		case slices.Contains(m.Params, key):
			taken[key] = given[key]
		case slices.Contains(parameters, key):
		case v.Has("auth"):
			v.Add(fmt.Errorf("parameter %q is not used by auth=%s", key, m.Name))
		default:
			v.Add(fmt.Errorf("parameter %q needs another: auth, as one of %s", key, strings.Join(s.takers(key), ", ")))
		}
	}
	return taken
}

func (s schemer) names() []string {
	names := []string{}
	for _, m := range s.methods {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// takers returns the names of the methods that take a parameter.
func (s schemer) takers(key string) []string {
	takes := schemer{slices.DeleteFunc(slices.Clone(s.methods), func(m auth.Method) bool { return !slices.Contains(m.Params, key) })}
	return takes.names()
}
