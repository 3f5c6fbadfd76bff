package vault

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush/internal/params"
	"github.com/hush-secrets/hush/vault/auth"
)

// commonParams are the parameters that do not depend on the login method.
var commonParams = []string{
	"auth", "ca_file", "client_cert_file", "client_key_file", "kv", "mounts", "namespace",
	"revoke", "server_name", "timeout", "tls",
}

// loginMethods are the login methods that a URL can select.
type loginMethods []auth.Method

// params returns the names of all parameters.
func (methods loginMethods) params() []string {
	names := slices.Clone(commonParams)
	for _, m := range methods {
		names = append(names, m.Params...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// names returns the names of the methods.
func (methods loginMethods) names() string {
	var names []string
	for _, m := range methods {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// choose returns the login method that v selects. Nil means the client's token.
func (methods loginMethods) choose(v *params.Values) api.AuthMethod {
	name := v.Text("auth")
	switch {
	case name != "":
	case v.Has("token_file"):
		name = "token_file"
	default:
		name = "token"
	}
	i := slices.IndexFunc(methods, func(m auth.Method) bool { return m.Name == name })
	if i < 0 {
		v.Add(fmt.Errorf(`unknown value of parameter "auth": use one of %s`, methods.names()))
		return nil
	}
	values := methods.paramsOf(methods[i], v)
	if v.Err() != nil { // a missing parameter may be one that is misspelt
		return nil
	}
	method, err := methods[i].Open(values)
	if err != nil {
		v.Add(fmt.Errorf("auth=%s: %w", name, err))
	}
	return method
}

// paramsOf returns the parameters for m. It adds to v those that m does not use.
func (methods loginMethods) paramsOf(m auth.Method, v *params.Values) map[string]string {
	values, given := map[string]string{}, v.All()
	for _, key := range slices.Sorted(maps.Keys(given)) {
		switch {
		case slices.Contains(m.Params, key):
			values[key] = given[key]
		case slices.Contains(commonParams, key):
		case v.Has("auth"):
			v.Add(fmt.Errorf("parameter %q is not used by auth=%s", key, m.Name))
		default:
			users := slices.DeleteFunc(slices.Clone(methods), func(m auth.Method) bool { return !slices.Contains(m.Params, key) })
			v.Add(fmt.Errorf("parameter %q requires the parameter auth: use one of %s", key, users.names()))
		}
	}
	return values
}
