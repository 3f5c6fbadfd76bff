package auth_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/auth"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

// A deployment provides the wrapped secret ID of a role in a file. Only the first client
// can unwrap it.
func ExampleAppRole() {
	server, err := vaulttest.Start(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	server.Put("secret", "db/prod", map[string]any{"user": "app", "password": "hunter2"})
	roleID, _ := server.AppRole("approle", "app", nil)
	file, remove := mounted(server.WrapSecretID("approle", "app", 0, 0))
	defer remove()

	login := auth.AppRole(roleID, &auth.AppRoleOptions{SecretID: auth.File(file), Wrapped: true})
	provider := vault.New(server.Client(), &vault.Options{Auth: login})
	secret, err := hush.Get(context.Background(), provider, "db/prod#user")
	fmt.Println(secret.Value.Reveal(), err)
	// Output: app <nil>
}

// A pod logs in with the token of its service account, which the kubelet replaces from
// time to time. In a pod, no options are needed.
func ExampleKubernetes() {
	server, err := vaulttest.Start(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	server.Put("secret", "db/prod", map[string]any{"user": "app", "password": "hunter2"})
	server.Kubernetes("kubernetes", "app", nil, "the pod's token")
	file, remove := mounted("the pod's token\n")
	defer remove()

	login := auth.Kubernetes("app", &auth.JWTOptions{JWT: auth.File(file)})
	provider := vault.New(server.Client(), &vault.Options{Auth: login})
	secret, err := hush.Get(context.Background(), provider, "db/prod#user")
	fmt.Println(secret.Value.Reveal(), err)
	// Output: app <nil>
}

// mounted writes a credential into a file, as a platform does.
func mounted(credential string) (file string, remove func()) {
	dir, err := os.MkdirTemp("", "mounted")
	if err != nil {
		panic(err)
	}
	file = filepath.Join(dir, "credential")
	if err := os.WriteFile(file, []byte(credential), 0o600); err != nil {
		panic(err)
	}
	return file, func() { _ = os.RemoveAll(dir) }
}
