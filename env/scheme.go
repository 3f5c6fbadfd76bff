package env

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/params"
)

// Scheme returns the scheme "env", which opens URLs such as
// "env:?prefix=APP_&files=true". Its parameters are [Options.Prefix] and
// [Options.Files], true or false; any other is an error, and so is a prefix that
// no variable can have.
func Scheme() hush.Scheme { return hush.Scheme{Name: source, Open: open} }

func open(_ context.Context, u *url.URL) (hush.Provider, error) {
	v := params.Parse(u, "prefix", "files")
	options := &Options{Prefix: v.Text("prefix"), Files: v.Bool("files")}
	if strings.ContainsAny(options.Prefix, "=\x00") {
		v.Add(errors.New(`parameter "prefix": no variable's name holds = or a zero byte`))
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	return New(options), nil
}
