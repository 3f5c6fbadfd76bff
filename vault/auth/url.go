package auth

import (
	"errors"
	"fmt"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush/internal/params"
	"github.com/hush-secrets/hush/vault/internal/call"
)

// A Method is a login method of URLs with the scheme "vault".
type Method struct {
	// Name is the value of the parameter auth that selects the method.
	Name string

	// Params are the names of the parameters that the method accepts. They must not be
	// names of credentials, which a URL must not contain.
	Params []string

	// Open returns the login method for the parameters in the URL. A nil AuthMethod means
	// the client's token. Open contacts no store.
	Open func(params map[string]string) (api.AuthMethod, error)
}

// Methods returns the methods of this package, which each URL can use.
func Methods() []Method {
	return []Method{
		{"token", []string{"token_env"}, openToken},
		{"token_file", []string{"token_file"}, openTokenFile},
		{"approle", []string{"auth_mount", "role_id", "secret_id_file", "secret_id_env", "wrapped"}, openAppRole},
		{"kubernetes", []string{"auth_mount", "role", "jwt_file"}, openKubernetes},
		{"jwt", []string{"auth_mount", "role", "jwt_file", "jwt_env"}, openJWT},
	}
}

func openToken(values map[string]string) (api.AuthMethod, error) {
	if name := values["token_env"]; name != "" {
		return Token(Env(name)), nil
	}
	return nil, nil
}

func openTokenFile(values map[string]string) (api.AuthMethod, error) {
	v := params.Of(values)
	require(v, "token_file")
	return Token(File(v.Text("token_file"))), v.Err()
}

func openAppRole(values map[string]string) (api.AuthMethod, error) {
	v := params.Of(values)
	require(v, "role_id")
	opts := &AppRoleOptions{Mount: authMount(v), SecretID: credential(v, "secret_id"), Wrapped: v.Bool("wrapped")}
	if opts.Wrapped && opts.SecretID.kind == "" {
		v.Add(errors.New(`parameter "wrapped" requires secret_id_file or secret_id_env`))
	}
	return AppRole(v.Text("role_id"), opts), v.Err()
}

func openKubernetes(values map[string]string) (api.AuthMethod, error) {
	v := params.Of(values)
	require(v, "role")
	return Kubernetes(v.Text("role"), &JWTOptions{Mount: authMount(v), JWT: credential(v, "jwt")}), v.Err()
}

func openJWT(values map[string]string) (api.AuthMethod, error) {
	v := params.Of(values)
	opts := &JWTOptions{Mount: authMount(v), JWT: credential(v, "jwt")}
	if opts.JWT.kind == "" {
		v.Add(errors.New(`parameter "jwt_file" or "jwt_env" is required`))
	}
	return JWT(v.Text("role"), opts), v.Err()
}

// authMount returns the parameter auth_mount. It adds to v the error that each login
// would return.
func authMount(v *params.Values) string {
	_, err := call.AuthMount(v.Text("auth_mount"), "")
	v.Add(err)
	return v.Text("auth_mount")
}

func require(v *params.Values, key string) {
	if !v.Has(key) {
		v.Add(fmt.Errorf("parameter %q is required", key))
	}
}

// credential returns the credential of the parameters key_file and key_env.
func credential(v *params.Values, key string) Credential {
	file, env := v.Text(key+"_file"), v.Text(key+"_env")
	switch {
	case file != "" && env != "":
		v.Add(fmt.Errorf("parameters %q and %q exclude each other", key+"_file", key+"_env"))
	case file != "":
		return File(file)
	case env != "":
		return Env(env)
	}
	return Credential{}
}
