// Package auth has login methods for Vault.
//
// Each function returns an [api.AuthMethod] for the options of package vault:
//
//	vault.Options{Auth: auth.Kubernetes("app", nil)}
//	vault.Options{Auth: auth.Token(auth.File("/run/vault/token"))}
//	vault.Options{Auth: auth.AppRole(roleID, &auth.AppRoleOptions{SecretID: auth.Env("SECRET_ID")})}
//
// Login as an AWS identity is in package vault/awsauth, which links the AWS SDK.
//
// A method reads its [Credential] again for each login, so that a platform can replace
// it while the program runs.
//
// # Failures
//
// A method fails with [hush.ErrUnauthenticated] if an option is invalid, or if the
// credential is missing, empty, or larger than 64 KiB. It fails with
// [hush.ErrUnavailable] if Vault's response cannot be used. Errors of Vault are returned
// unchanged; package vault classifies them. No error quotes a credential.
package auth

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/secretfile"
	"github.com/hush-secrets/hush/vault/internal/call"
)

// maxCredential is the size limit of a credential. A JWT with many claims has a few
// kilobytes.
const maxCredential = 64 << 10

// A Credential is where a login finds the secret that it sends: a value, a file or an
// environment variable. White space around the secret is removed. The zero value means
// that there is no credential.
type Credential struct {
	kind  kind
	value hush.Value
	name  string // the path of a file, or the name of a variable
}

type kind string

const (
	ofValue kind = "value"
	ofFile  kind = "file"
	ofEnv   kind = "environment variable"
)

// Value returns v as a credential.
func Value(v hush.Value) Credential { return Credential{kind: ofValue, value: v} }

// File returns the credential in the file at path.
func File(path string) Credential { return Credential{kind: ofFile, name: path} }

// Env returns the credential in the environment variable called name.
func Env(name string) Credential { return Credential{kind: ofEnv, name: name} }

// read returns the credential. what is the word for it in errors, such as "secret ID".
// The FileInfo is that of the file that was read; nil for other credentials.
func (c Credential) read(what string) (text string, info fs.FileInfo, err error) {
	text = c.value.Reveal()
	switch {
	case c.kind != ofValue && c.name == "":
		return "", nil, failf("the %s with the %s has no name", c.kind, what)
	case c.kind == ofFile:
		content, read, err := secretfile.ReadInfo(c.name, maxCredential)
		if err != nil {
			return "", nil, failf("%s %s", c.describe(what), secretfile.Reason(err))
		}
		text, info = string(content), read
	case c.kind == ofEnv:
		var ok bool
		if text, ok = os.LookupEnv(c.name); !ok {
			return "", nil, failf("%s is not set", c.describe(what))
		}
	}
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return "", nil, failf("%s is empty", c.describe(what))
	case len(text) > maxCredential:
		return "", nil, failf("%s exceeds the limit of %d bytes", c.describe(what), maxCredential)
	case !utf8.ValidString(text), strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", nil, failf("%s is not a single line of text", c.describe(what))
	}
	return text, info, nil
}

// readToken is read for a token, which is sent as a header.
func (c Credential) readToken(what string) (text string, info fs.FileInfo, err error) {
	text, info, err = c.read(what)
	switch {
	case err != nil:
		return "", nil, err
	case strings.HasPrefix(text, "{"):
		return "", nil, failf("%s is JSON: use the token alone; a sink with wrap_ttl or dh_type, and the output of -format=json, are not supported", c.describe(what))
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "", nil, failf("%s contains a character that is not allowed in a token", c.describe(what))
	}
	return text, info, nil
}

// describe returns the credential and its place for an error. It names a file or a
// variable only if the name cannot be a credential that was put in its place.
func (c Credential) describe(what string) string {
	switch {
	case c.kind == ofValue:
		return "the " + what
	case c.kind == ofFile && filepath.IsAbs(c.name), c.kind == ofEnv && !strings.ContainsFunc(c.name, unusualInVariable):
		return fmt.Sprintf("the %s %q with the %s", c.kind, c.name, what)
	}
	return fmt.Sprintf("the %s with the %s", c.kind, what)
}

// unusualInVariable reports whether names of environment variables by convention do not
// have r. Every credential that Vault creates has such a character.
func unusualInVariable(r rune) bool {
	return r != '_' && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
}

// failf returns the error of a login that cannot work with these options or this
// credential.
func failf(format string, args ...any) error {
	return call.Failf(hush.ErrUnauthenticated, format, args...)
}
