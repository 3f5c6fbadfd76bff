package providertest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
)

// wrong are Providers that break one rule each, keyed by the rule that must fail.
var wrong = map[string]func(m *providertest.Map) hush.ProviderFunc{
	"missing": func(m *providertest.Map) hush.ProviderFunc { // is ""
		return after(m, func(_ hush.Ref, s hush.Secret, err error) (hush.Secret, error) {
			if errors.Is(err, hush.ErrNotFound) {
				return hush.Secret{Source: "map"}, nil
			}
			return s, err
		})
	},
	"denied": func(m *providertest.Map) hush.ProviderFunc { // is returned with its value
		return after(m, func(_ hush.Ref, s hush.Secret, err error) (hush.Secret, error) {
			if errors.Is(err, hush.ErrDenied) {
				s.Value = hush.NewValue([]byte("x"))
			}
			return s, err
		})
	},
	"broken": func(m *providertest.Map) hush.ProviderFunc { // is not found
		return after(m, func(ref hush.Ref, s hush.Secret, err error) (hush.Secret, error) {
			if errors.Is(err, hush.ErrUnavailable) {
				err = hush.NewError("map", ref, hush.ErrNotFound, nil)
			}
			return s, err
		})
	},
	"canceled": func(m *providertest.Map) hush.ProviderFunc { // is ignored
		return func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
			return m.Get(context.WithoutCancel(ctx), ref)
		}
	},
	"hanging": func(m *providertest.Map) hush.ProviderFunc { // loses the context's error
		return after(m, func(ref hush.Ref, s hush.Secret, err error) (hush.Secret, error) {
			if errors.Is(err, hush.ErrCanceled) {
				err = hush.NewError("map", ref, hush.ErrCanceled, nil)
			}
			return s, err
		})
	},
	"invalid names": func(m *providertest.Map) hush.ProviderFunc { // are repaired
		return before(m, func(ref hush.Ref) hush.Ref {
			ref.Name = strings.ToValidUTF8(ref.Name, "?")
			return ref
		})
	},
	"hostile names": func(m *providertest.Map) hush.ProviderFunc { // are trimmed
		return before(m, func(ref hush.Ref) hush.Ref {
			ref.Name = strings.TrimSpace(ref.Name)
			return ref
		})
	},
	"odd names": func(m *providertest.Map) hush.ProviderFunc { // lose their plus
		return before(m, func(ref hush.Ref) hush.Ref {
			ref.Name = strings.ReplaceAll(ref.Name, "+", " ")
			return ref
		})
	},
	"case": func(m *providertest.Map) hush.ProviderFunc { // is folded
		return before(m, func(ref hush.Ref) hush.Ref {
			if ref.Validate() == nil {
				ref.Name = strings.ToLower(ref.Name)
			}
			return ref
		})
	},
	"unknown version": func(m *providertest.Map) hush.ProviderFunc { // is ignored
		return before(m, func(ref hush.Ref) hush.Ref {
			ref.Version, ref.Stage = "", ""
			return ref
		})
	},
	"bytes": func(m *providertest.Map) hush.ProviderFunc { // are trimmed
		return after(m, func(_ hush.Ref, s hush.Secret, err error) (hush.Secret, error) {
			s.Value = hush.NewValue([]byte(strings.TrimSpace(s.Value.Reveal())))
			return s, err
		})
	},
	"field": func(m *providertest.Map) hush.ProviderFunc { // is ignored
		return before(m, func(ref hush.Ref) hush.Ref {
			ref.Field = ""
			return ref
		})
	},
	"source": func(m *providertest.Map) hush.ProviderFunc { // is empty
		return after(m, func(_ hush.Ref, s hush.Secret, err error) (hush.Secret, error) {
			s.Source = ""
			return s, err
		})
	},
	"fresh": cached,
	"newer than": func(m *providertest.Map) hush.ProviderFunc { // is read as plain
		plain := cached(m)
		return func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
			if than, fresh := ref.Freshness(); than == nil && fresh {
				return m.Get(ctx, ref)
			}
			return plain(ctx, ref)
		}
	},
	"old version": func(m *providertest.Map) hush.ProviderFunc { // and a stage that it does not have
		return before(m, func(ref hush.Ref) hush.Ref {
			if ref.Version != "" {
				ref.Stage = ""
			}
			return ref
		})
	},
	"new version": func(m *providertest.Map) hush.ProviderFunc { // has the old id
		return after(m, func(ref hush.Ref, s hush.Secret, err error) (hush.Secret, error) {
			if err == nil {
				s.Version = "always"
			}
			return s, err
		})
	},
	"leaks": func(m *providertest.Map) hush.ProviderFunc { // seen by any rule; here by "field"
		return after(m, func(_ hush.Ref, s hush.Secret, err error) (hush.Secret, error) {
			if err != nil {
				whole, _ := m.Get(context.Background(), hush.Name("db/json"))
				err = fmt.Errorf("%w: %s", err, whole.Value.Reveal())
			}
			return s, err
		})
	},
	"expired": func(m *providertest.Map) hush.ProviderFunc { // seen by any rule; here by "source"
		return after(m, func(_ hush.Ref, s hush.Secret, err error) (hush.Secret, error) {
			if err == nil {
				s.Expires = time.Now().Add(-time.Second)
			}
			return s, err
		})
	},
	"another ref": func(m *providertest.Map) hush.ProviderFunc { // seen by any rule; here by "missing"
		return after(m, func(_ hush.Ref, s hush.Secret, err error) (hush.Secret, error) {
			if hush.ClassOf(err) == hush.ErrNotFound {
				err = hush.NewError("map", hush.Name("other"), hush.ErrNotFound, nil)
			}
			return s, err
		})
	},
}

// wrongOfGCP are wrong providers of a store that allows fewer names than AWS does.
var wrongOfGCP = map[string]func(m *providertest.Map) hush.ProviderFunc{
	"repaired names": func(m *providertest.Map) hush.ProviderFunc { // reach another secret
		return before(m, func(ref hush.Ref) hush.Ref {
			ref.Name = strings.ReplaceAll(ref.Name, "/", "-")
			return ref
		})
	},
	"impossible names": func(m *providertest.Map) hush.ProviderFunc { // are an outage
		return after(m, func(ref hush.Ref, s hush.Secret, err error) (hush.Secret, error) {
			if !gcp.MatchString(ref.Name) && hush.ClassOf(err) == hush.ErrNotFound {
				err = hush.NewError("map", ref, hush.ErrUnavailable, nil)
			}
			return s, err
		})
	},
	"truncated names": func(m *providertest.Map) hush.ProviderFunc {
		return before(m, func(ref hush.Ref) hush.Ref {
			ref.Name = ref.Name[:min(len(ref.Name), 254)]
			return ref
		})
	},
}

// seenBy is the rule that sees a wrong provider, where that is not its name.
var seenBy = map[string]string{
	"leaks": "field", "expired": "source", "another ref": "missing",
	"repaired names": "odd names", "impossible names": "odd names", "truncated names": "odd names",
}

func before(m *providertest.Map, change func(hush.Ref) hush.Ref) hush.ProviderFunc {
	return func(ctx context.Context, ref hush.Ref) (hush.Secret, error) { return m.Get(ctx, change(ref)) }
}

func after(m *providertest.Map, change func(hush.Ref, hush.Secret, error) (hush.Secret, error)) hush.ProviderFunc {
	return func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		secret, err := m.Get(ctx, ref)
		return change(ref, secret, err)
	}
}

// cached never asks again.
func cached(m *providertest.Map) hush.ProviderFunc {
	held := map[string]hush.Secret{}
	return func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		if secret, ok := held[ref.Name]; ok {
			return ref.Select(secret)
		}
		secret, err := m.Get(ctx, hush.Name(ref.Name))
		if err == nil {
			held[ref.Name] = secret
		}
		return secret, err
	}
}

const wrongVariable = "PROVIDERTEST_WRONG"

// TestWrongProvidersFail runs the suite over each wrong provider, in a process of
// its own because it has to fail there.
func TestWrongProvidersFail(t *testing.T) {
	for _, name := range slices.Concat(slices.Collect(maps.Keys(wrong)), slices.Collect(maps.Keys(wrongOfGCP))) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule := name
			if other, ok := seenBy[name]; ok {
				rule = other
			}
			run := "^TestWrongProvider$/^" + strings.ReplaceAll(rule, " ", "_") + "$"
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+run, "-test.timeout=1m")
			cmd.Env = append(os.Environ(), wrongVariable+"="+name)
			out, err := cmd.CombinedOutput()
			exit, ok := errors.AsType[*exec.ExitError](err)
			if assert.True(t, ok, "the suite finds nothing wrong:\n%s", out) {
				assert.Equal(t, 1, exit.ExitCode(), "%s", out)
				assert.Contains(t, string(out), "--- FAIL: TestWrongProvider/"+strings.ReplaceAll(rule, " ", "_"))
			}
		})
	}
}

// TestWrongProvider is the other process's half; here it runs the suite over a
// provider with nothing wrong.
func TestWrongProvider(t *testing.T) {
	providertest.Run(t, func(*testing.T) providertest.Harness {
		m := &providertest.Map{}
		put := func(name string, value []byte) { m.Put(name, value) }
		h := providertest.Harness{
			Provider: m, Put: put, Rotate: put, Deny: m.Deny,
			Break: func() func() { return m.Always(providertest.Step{Err: hush.ErrUnavailable}) },
			Hang:  func() func() { return m.Always(providertest.Step{Delay: time.Hour}) },
		}
		if spoil, ok := wrong[os.Getenv(wrongVariable)]; ok {
			h.Provider = spoil(m)
		}
		if spoil, ok := wrongOfGCP[os.Getenv(wrongVariable)]; ok {
			h.Provider, h.ValidName, h.OddNames = spoil(m), gcp.MatchString, oddInGCP
		}
		return h
	})
}
