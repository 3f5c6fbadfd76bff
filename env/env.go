// Package env reads secrets from environment variables, and from the files that
// they name.
//
// A variable is found by a name in this order: [Options.Aliases] if it has the
// name, else [Options.Prefix] followed by [Options.Map] of the name, or by the
// default mapping. That upper-cases ASCII letters, keeps digits and turns every
// other byte into an underscore: "db/prod-main" is DB_PROD_MAIN, and "é", two
// bytes of UTF-8, is two underscores. Nothing is added in front of a digit; "1pw"
// is 1PW, which a shell cannot assign, so it wants a prefix or an alias. A name
// without a letter or a digit of ASCII has no variable: shells set "_".
//
// Two names can mean one variable ("db/prod" and "DB.prod" do), and without a
// prefix every variable of the process has a name: "path" reads PATH, and
// "aws/session/token" reads AWS_SESSION_TOKEN. Where names come from outside, set
// a Prefix; it is put before whatever Map returns, so no name leads around it.
//
// The environment keeps one version and no stages, and every read of it is fresh.
package env

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"

	"github.com/hush-secrets/hush"
)

// source is the name in this package's errors and secrets.
const source = "env"

// fileSuffix makes the name of a variable into that of the one which names a file.
const fileSuffix = "_FILE"

// Options say which variable a name is. The zero value reads the variable that
// the default mapping gives, and no files.
type Options struct {
	// Prefix is put before the mapped name, as it is: "APP_" reads "db" from
	// APP_DB. Empty: no prefix, and then every variable can be read.
	Prefix string

	// Map replaces the default mapping. An empty result is a name without a
	// variable, which is ErrNotFound. It must be safe for concurrent use. Nil:
	// the default mapping.
	Map func(name string) string

	// Aliases name the exact variable, without Prefix and Map, of the names that
	// are in it; an empty variable is none, as with Map. It is copied.
	Aliases map[string]string

	// Files also reads the file that the variable NAME_FILE names, as Docker and
	// Kubernetes mount secrets. Its bytes are the value as they are, a last
	// newline included. It must be a regular file of at most 1 MiB.
	Files bool
}

// A Provider reads the environment of the process. It holds no secret: each Get
// asks again.
type Provider struct{ opts Options }

var _ hush.Provider = (*Provider)(nil)

// New returns a Provider; nil opts are the zero Options.
func New(opts *Options) *Provider {
	if opts == nil {
		opts = &Options{}
	}
	p := &Provider{opts: *opts}
	p.opts.Aliases = maps.Clone(opts.Aliases)
	return p
}

// Get returns the value of ref's variable; one that is set but empty is a value.
//
// A variable that is not set is ErrNotFound, and so is a Field that is not in it.
// A Version, and a Stage other than AWSCURRENT, is ErrUnsupported. With Files, a
// file that this process may not read is ErrDenied. Two values for one name, and
// a file that is missing or otherwise no good, are ErrUnavailable: somebody said
// that there is a secret, and "not found" would make a chain and a cache believe
// that there is none.
func (p *Provider) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	if err := ctx.Err(); err != nil {
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrCanceled, err)
	}
	if whole := ref.Key(); whole.Version != "" || whole.Stage != "" {
		cause := errors.New("the environment keeps no versions and no stages")
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrUnsupported, cause)
	}
	value, class, err := p.read(p.Variable(ref.Name))
	if err != nil {
		return hush.Secret{}, hush.NewError(source, ref, class, err)
	}
	return ref.Select(hush.Secret{Value: hush.NewValue(value), Source: source})
}

// Variable returns the variable that Get reads for a name. It is empty if the name has
// no variable.
func (p *Provider) Variable(name string) string {
	if alias, ok := p.opts.Aliases[name]; ok {
		return alias
	}
	if p.opts.Map == nil {
		if mapped := upperSnake(name); strings.Trim(mapped, "_") != "" {
			return p.opts.Prefix + mapped
		}
		return "" // not the shell's own variable, which is "_"
	}
	if mapped := p.opts.Map(name); mapped != "" {
		return p.opts.Prefix + mapped
	}
	return ""
}

// upperSnake is the default mapping.
func upperSnake(name string) string {
	b := []byte(name)
	for i, c := range b {
		switch {
		case 'a' <= c && c <= 'z':
			b[i] = c - ('a' - 'A')
		case 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		default:
			b[i] = '_'
		}
	}
	return string(b)
}

// read returns the value of variable, or the class and the cause of its failure.
func (p *Provider) read(variable string) ([]byte, hush.Class, error) {
	if variable == "" {
		return nil, hush.ErrNotFound, errors.New("the options give this name no variable")
	}
	value, ok := os.LookupEnv(variable)
	if !p.opts.Files {
		if !ok {
			return nil, hush.ErrNotFound, fmt.Errorf("the variable %q is not set", variable)
		}
		return []byte(value), 0, nil
	}
	path, inFile := os.LookupEnv(variable + fileSuffix)
	switch {
	case ok && inFile:
		return nil, hush.ErrUnavailable, fmt.Errorf("%q and %q are both set, and only one can be meant", variable, variable+fileSuffix)
	case ok:
		return []byte(value), 0, nil
	case !inFile:
		return nil, hush.ErrNotFound, fmt.Errorf("neither %q nor %q is set", variable, variable+fileSuffix)
	}
	return namedFile(variable+fileSuffix, path)
}
