package vault

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/secretfile"
)

// maxCredential bounds a credential. A JWT with many claims has a few kilobytes.
const maxCredential = 64 << 10

// A credential is where the secret part of a login comes from: a value, a file, or
// an environment variable. It is found anew for each login, because all but the
// value may have changed.
type credential struct {
	what   string // what it is called in errors, such as "secret id"
	option string // the option of the value; File and Env are added for the others
	value  hush.Value
	file   string
	env    string
}

// sources returns the options that are set.
func (c credential) sources() []string {
	var set []string
	if c.value.Len() > 0 {
		set = append(set, c.option)
	}
	if c.file != "" {
		set = append(set, c.option+"File")
	}
	if c.env != "" {
		set = append(set, c.option+"Env")
	}
	return set
}

// check refuses more than one source.
func (c credential) check() error {
	if set := c.sources(); len(set) > 1 {
		return errUnable("%s are both set, and only one can be meant", strings.Join(set[:2], " and "))
	}
	return nil
}

// find returns the credential without the space around it, such as a file's last
// newline.
func (c credential) find() (string, error) {
	switch {
	case c.file != "":
		text, _, err := c.readFile()
		return text, err
	case c.env != "":
		text, ok := os.LookupEnv(c.env)
		if !ok {
			return "", errUnable("%s is not set", c.place())
		}
		return c.tidy(text)
	}
	return c.tidy(c.value.Reveal())
}

// readFile returns the credential in the file, and the state of the file that it read.
func (c credential) readFile() (string, fs.FileInfo, error) {
	content, info, err := secretfile.ReadInfo(c.file, maxCredential)
	if err != nil {
		return "", nil, errUnable("%s %s", c.place(), secretfile.Reason(err))
	}
	text, err := c.tidy(string(content))
	return text, info, err
}

func (c credential) tidy(text string) (string, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return "", errUnable("%s is empty", c.place())
	case len(text) > maxCredential:
		return "", errUnable("%s is over the limit of %d bytes", c.place(), maxCredential)
	case !utf8.ValidString(text), strings.ContainsFunc(text, control):
		return "", errUnable("%s is more than one line of text", c.place())
	}
	return text, nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// findToken is find for a token, which is sent as a header and so is one word.
func (c credential) findToken() (string, error) {
	text, err := c.find()
	if err == nil {
		err = c.checkToken(text)
	}
	if err != nil {
		return "", err
	}
	return text, nil
}

// checkToken returns why text cannot be a token.
func (c credential) checkToken(text string) error {
	switch {
	case strings.HasPrefix(text, "{"):
		return errUnable("%s is JSON and not the token alone: a sink with wrap_ttl or dh_type, or an answer with -format=json, is not read", c.place())
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return errUnable("%s has a character that no token has", c.place())
	}
	return nil
}

// place says which credential it is and where it comes from. A file or a variable is
// named only where the name cannot be a credential that was put in its place.
func (c credential) place() string {
	switch {
	case c.file != "" && filepath.IsAbs(c.file):
		return fmt.Sprintf("the file %q with the %s", c.file, c.what)
	case c.file != "":
		return "the file with the " + c.what
	case c.env != "" && !strings.ContainsFunc(c.env, oddInVariable):
		return fmt.Sprintf("the environment variable %q with the %s", c.env, c.what)
	case c.env != "":
		return "the environment variable with the " + c.what
	}
	return "the " + c.what
}

// oddInVariable is true of what the name of an environment variable does not have by
// convention, and every credential of Vault's making has.
func oddInVariable(r rune) bool {
	return r != '_' && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
}
