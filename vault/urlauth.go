package vault

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/params"
)

// builtin returns the auth methods of every URL.
func builtin() []Method {
	return []Method{
		{"token", []string{"token_env"}, openToken},
		{"token_file", []string{"token_file"}, openTokenFile},
		{"approle", []string{"auth_mount", "role_id", "secret_id_file", "secret_id_env", "wrapped"}, openAppRole},
		{"kubernetes", []string{"auth_mount", "role", "jwt_file"}, openKubernetes},
		{"jwt", []string{"auth_mount", "role", "jwt_file", "jwt_env"}, openJWT},
	}
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
	i := slices.IndexFunc(s.methods, func(m Method) bool { return m.Name == chosen })
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
func (s schemer) taken(v *params.Values, m Method) map[string]string {
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
	takes := schemer{slices.DeleteFunc(slices.Clone(s.methods), func(m Method) bool { return !slices.Contains(m.Params, key) })}
	return takes.names()
}

func openToken(values map[string]string) (api.AuthMethod, error) {
	if variable := values["token_env"]; variable != "" {
		return TokenEnv(variable), nil
	}
	return nil, nil
}

func openTokenFile(values map[string]string) (api.AuthMethod, error) {
	if err := need(values, "token_file"); err != nil {
		return nil, err
	}
	return TokenFile(values["token_file"]), nil
}

func openAppRole(values map[string]string) (api.AuthMethod, error) {
	v := params.Of(values)
	wrapped := v.Bool("wrapped")
	v.Add(checkAuthMount(values))
	v.Add(need(values, "role_id"))
	v.Add(exclusive(values, "secret_id_file", "secret_id_env"))
	if wrapped && !v.Has("secret_id_file") && !v.Has("secret_id_env") {
		v.Add(errors.New(`parameter "wrapped" is about a secret id: it goes with secret_id_file or secret_id_env`))
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	return AppRole(&AppRoleOptions{
		Mount: values["auth_mount"], RoleID: values["role_id"],
		SecretIDFile: values["secret_id_file"], SecretIDEnv: values["secret_id_env"], Wrapped: wrapped,
	}), nil
}

func openKubernetes(values map[string]string) (api.AuthMethod, error) {
	v := params.Of(values)
	v.Add(checkAuthMount(values))
	v.Add(need(values, "role"))
	if err := v.Err(); err != nil {
		return nil, err
	}
	return Kubernetes(values["role"], &JWTOptions{Mount: values["auth_mount"], JWTFile: values["jwt_file"]}), nil
}

func openJWT(values map[string]string) (api.AuthMethod, error) {
	v := params.Of(values)
	v.Add(checkAuthMount(values))
	v.Add(exclusive(values, "jwt_file", "jwt_env"))
	if !v.Has("jwt_file") && !v.Has("jwt_env") {
		v.Add(errors.New(`it needs the parameter "jwt_file" or "jwt_env"`))
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	return JWT(values["role"], &JWTOptions{Mount: values["auth_mount"], JWTFile: values["jwt_file"], JWTEnv: values["jwt_env"]}), nil
}

// checkAuthMount refuses a mount that every login would fail for, in the words of the
// login.
func checkAuthMount(values map[string]string) error {
	_, err := authMount(values["auth_mount"], "")
	if told, ok := errors.AsType[*hush.Error](err); ok {
		return told.Err
	}
	return err
}

func need(values map[string]string, key string) error {
	if values[key] == "" {
		return fmt.Errorf("it needs the parameter %q", key)
	}
	return nil
}

func exclusive(values map[string]string, a, b string) error {
	if values[a] != "" && values[b] != "" {
		return fmt.Errorf("the parameters %q and %q are both given, and only one can be meant", a, b)
	}
	return nil
}
