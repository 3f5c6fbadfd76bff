package extension

import (
	"context"
	"fmt"
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
	values, err := params.Parse(u, "endpoint", "timeout", "ready_wait", "dialect")
	if err != nil {
		return nil, err
	}
	options := &Options{Endpoint: values["endpoint"]}
	if options.Timeout, err = params.Duration(values, "timeout"); err != nil {
		return nil, err
	}
	if options.ReadyWait, err = params.Duration(values, "ready_wait"); err != nil {
		return nil, err
	}
	if options.Dialect, err = parseDialect(values["dialect"]); err != nil {
		return nil, err
	}
	p := New(options)
	if p.fault != nil {
		return nil, p.fault
	}
	return p, nil
}

func parseDialect(text string) (Dialect, error) {
	switch text {
	case "", "auto":
		return DialectAuto, nil
	case "lambda":
		return DialectLambda, nil
	case "agent":
		return DialectAgent, nil
	}
	return 0, fmt.Errorf("parameter %q is auto, lambda or agent", "dialect")
}
