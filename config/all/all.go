// Package all has every scheme of this module. Use it in a program that may read from
// any store. Such a program links the AWS SDK and the Vault client.
package all

import (
	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct/awsdirect"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/awsauth"
)

// Schemes returns the schemes extension, direct, vault and env. The scheme vault has the
// login method aws.
func Schemes() []hush.Scheme {
	return []hush.Scheme{extension.Scheme(), awsdirect.Scheme(), vault.Scheme(awsauth.Method()), env.Scheme()}
}
