package vault

import (
	"os"
	"path/filepath"

	"github.com/hashicorp/vault/api"
)

// userToken returns the method of the token that "vault login" stores in the home
// directory, or nil if client may not use it. As for the vault command, it belongs to
// the address of VAULT_ADDR or VAULT_AGENT_ADDR: a configuration file that names
// another host must not be sent it.
func userToken(client *api.Client) *tokenFile {
	r, ok := client.CloneConfig().HttpClient.Transport.(*router)
	at, err := parseOrigin(client.Address())
	if !ok || !r.fromEnvironment || err != nil || r.index(at) < 0 {
		return nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}
	return &tokenFile{credential: credential{what: "token", file: filepath.Join(home, ".vault-token")}}
}

// exists reports whether there is a file.
func (t *tokenFile) exists() bool {
	_, err := os.Stat(t.file)
	return err == nil
}
