// Package all has every scheme of this module, for programs that let configuration
// choose among all of them and do not mind linking the SDKs of AWS and Vault.
package all

import (
	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct/awsdirect"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/awsauth"
)

// Schemes returns extension, direct, vault, whose auth methods include AWS's, and env.
func Schemes() []hush.Scheme {
	return []hush.Scheme{extension.Scheme(), awsdirect.Scheme(), vault.Scheme(awsauth.Method()), env.Scheme()}
}
