// Package env reads secrets from environment variables, and from files that
// environment variables name.
//
// Get finds the variable of a name in [Options.Aliases]. Otherwise, the variable is
// [Options.Prefix] followed by the mapped name. The default mapping converts ASCII
// letters to upper case, keeps digits, and replaces each other byte by an underscore:
// "db/prod-main" becomes DB_PROD_MAIN, and "é", which has two bytes in UTF-8, becomes
// two underscores. A name that starts with a digit needs a prefix or an alias, because a
// shell cannot set 1PW. A name without ASCII letters and digits has no variable, because
// shells set the variable "_".
//
// Different names can have the same variable, such as "db/prod" and "DB.prod". Without
// a prefix, every variable of the process has a name: "path" reads PATH, and
// "aws/session/token" reads AWS_SESSION_TOKEN. Set a Prefix if names come from outside
// the program. The prefix also precedes the result of [Options.Map].
//
// The environment has one version of a secret and no stages. Every read is fresh.
package env

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"strings"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/params"
	"github.com/hush-secrets/hush/internal/secretfile"
)

const (
	source     = "env"
	fileSuffix = "_FILE" // of a variable that names a file

	// maxFile limits the size of a file. Stores have values of at most 64 KiB, so a
	// larger file is probably the wrong one.
	maxFile = 1 << 20
)

// Options are the settings of a Provider. The zero value uses the default mapping and
// reads no files.
type Options struct {
	// Prefix precedes the mapped name: with "APP_", the name "db" reads APP_DB. Empty
	// means no prefix; then names can read every variable of the process.
	Prefix string

	// Map replaces the default mapping. If it returns "", the name has no variable, and
	// Get returns ErrNotFound. It must be safe for concurrent use. Nil means the
	// default mapping.
	Map func(name string) string

	// Aliases are the variables of some names, without Prefix and Map. An empty
	// string means that the name has no variable. New copies the map.
	Aliases map[string]string

	// Files makes Get also read the file that the variable NAME_FILE names, because
	// Docker and Kubernetes mount secrets as files. The value is the content of the
	// file, including a newline at the end. The file must be a regular file of at most
	// 1 MiB.
	Files bool
}

// A Provider reads the environment of the process. It stores no values.
type Provider struct{ opts Options }

var _ hush.Provider = (*Provider)(nil)

// New returns a Provider. Nil opts means the defaults.
func New(opts *Options) *Provider {
	if opts == nil {
		opts = &Options{}
	}
	p := &Provider{opts: *opts}
	p.opts.Aliases = maps.Clone(opts.Aliases)
	return p
}

// Get returns the value of the variable of ref. A variable that is set to "" is an empty
// value.
//
// Get returns ErrNotFound if the variable is not set, or the value has no such Field. It
// returns ErrUnsupported for a Version, and for a Stage other than AWSCURRENT. With
// Files, it returns ErrDenied if the process is not allowed to read the file. It returns
// ErrUnavailable if both the variable and NAME_FILE are set, or if the file is missing or
// invalid. These are not ErrNotFound, because the environment says that the secret
// exists.
func (p *Provider) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	if err := ctx.Err(); err != nil {
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrCanceled, err)
	}
	if key := ref.Key(); key.Version != "" || key.Stage != "" {
		cause := errors.New("the environment has no versions and no stages")
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
	mapped := ""
	if p.opts.Map != nil {
		mapped = p.opts.Map(name)
	} else if upper := upperSnake(name); strings.Trim(upper, "_") != "" {
		mapped = upper
	}
	if mapped == "" {
		return ""
	}
	return p.opts.Prefix + mapped
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

// read returns the value of variable, or a class and a cause.
func (p *Provider) read(variable string) ([]byte, hush.Class, error) {
	if variable == "" {
		return nil, hush.ErrNotFound, errors.New("the name has no variable")
	}
	value, isSet := os.LookupEnv(variable)
	path, hasFile := "", false
	if p.opts.Files {
		path, hasFile = os.LookupEnv(variable + fileSuffix)
	}
	switch {
	case isSet && hasFile:
		return nil, hush.ErrUnavailable, fmt.Errorf("both %q and %q are set; unset one of them", variable, variable+fileSuffix)
	case isSet:
		return []byte(value), 0, nil
	case hasFile:
		return readFile(variable+fileSuffix, path)
	case p.opts.Files:
		return nil, hush.ErrNotFound, fmt.Errorf("neither %q nor %q is set", variable, variable+fileSuffix)
	}
	return nil, hush.ErrNotFound, fmt.Errorf("the variable %q is not set", variable)
}

// readFile returns the content of the file that variable names, or a class and a cause.
// The cause does not quote the path, because a password may be in DB_FILE by mistake.
func readFile(variable, path string) ([]byte, hush.Class, error) {
	if path == "" {
		return nil, hush.ErrUnavailable, fmt.Errorf("%q is empty; set it to the path of a file", variable)
	}
	content, err := secretfile.Read(path, maxFile)
	if err != nil {
		return nil, classOf(err), fmt.Errorf("the file that %q names %s", variable, secretfile.Reason(err))
	}
	return content, 0, nil
}

func classOf(err error) hush.Class {
	if errors.Is(err, fs.ErrPermission) {
		return hush.ErrDenied
	}
	return hush.ErrUnavailable
}

// Scheme returns the scheme "env", for URLs such as "env:?prefix=APP_&files=true". Its
// parameters are prefix and files (true or false), as in [Options]. Open returns an
// error for a prefix that a variable cannot have.
func Scheme() hush.Scheme { return hush.Scheme{Name: source, Open: open} }

func open(_ context.Context, u *url.URL) (hush.Provider, error) {
	v := params.Parse(u, "prefix", "files")
	opts := &Options{Prefix: v.Text("prefix"), Files: v.Bool("files")}
	if strings.ContainsAny(opts.Prefix, "=\x00") {
		v.Add(errors.New(`parameter "prefix" must not contain = or a zero byte`))
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	return New(opts), nil
}
