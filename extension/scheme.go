package extension

import (
	"context"
	"errors"
	"net/url"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/params"
)

// Scheme returns the scheme "extension", which fronts for "direct". Its
// parameters are endpoint, timeout, ready_wait (durations such as 500ms) and
// dialect (auto, lambda or agent), with the defaults of [Options]. An endpoint
// that cannot work is an error of Open, wherever it was given.
func Scheme() hush.Scheme { return hush.Scheme{Name: name, Open: open, Front: "direct"} }

func open(_ context.Context, u *url.URL) (hush.Provider, error) {
	v := params.Parse(u, "endpoint", "timeout", "ready_wait", "dialect")
	options := &Options{Endpoint: v.Text("endpoint"), Timeout: v.Duration("timeout"), ReadyWait: v.Duration("ready_wait")}
	switch v.Text("dialect") {
	case "", "auto":
	case "lambda":
		options.Dialect = DialectLambda
	case "agent":
		options.Dialect = DialectAgent
	default:
		v.Add(errors.New(`parameter "dialect" is auto, lambda or agent`))
	}
	p := New(options)
	v.Add(p.fault)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return p, nil
}
