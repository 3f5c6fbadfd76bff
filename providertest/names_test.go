package providertest_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
)

// The names of Google Secret Manager and of Azure Key Vault, whose names do not
// differ in case.
var (
	gcp   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
	azure = regexp.MustCompile(`^[A-Za-z0-9-]{1,127}$`)
)

var oddInGCP = []string{"With_under-dash", strings.Repeat("x", 255)}

func TestStoresWithNamesOfTheirOwn(t *testing.T) {
	for name, rules := range map[string]providertest.Harness{
		"gcp":   {ValidName: gcp.MatchString, OddNames: oddInGCP},
		"azure": {ValidName: azure.MatchString, OddNames: []string{"with-dash", strings.Repeat("x", 127)}, FoldsNames: true},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, func(*testing.T) providertest.Harness {
				m := &providertest.Map{}
				key := func(name string) string {
					if rules.FoldsNames {
						return strings.ToLower(name)
					}
					return name
				}
				put := func(name string, value []byte) {
					require.True(t, rules.ValidName(name), "the suite stores %q", name)
					m.Put(key(name), value)
				}
				h := rules
				h.Put, h.Rotate, h.Deny = put, put, func(name string) { m.Deny(key(name)) }
				h.Provider = before(m, func(ref hush.Ref) hush.Ref {
					if rules.ValidName(ref.Name) {
						ref.Name = key(ref.Name)
					}
					return ref
				})
				return h
			})
		})
	}
}

// A directory has one file for each secret, and no name longer than 255 bytes.
func TestADirectoryConforms(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		dir := t.TempDir()
		root, err := os.OpenRoot(dir)
		require.NoError(t, err)
		t.Cleanup(func() { _ = root.Close() })
		put := func(name string, value []byte) {
			path := filepath.Join(dir, filepath.FromSlash(name))
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
			require.NoError(t, os.WriteFile(path, value, 0o600))
		}
		return providertest.Harness{
			Provider: directory{root}, Put: put, Rotate: put,
			ValidName: validPath, OddNames: []string{"with space", strings.Repeat("x", 255), "é"},
		}
	})
}

func validPath(name string) bool {
	if !fs.ValidPath(name) || name == "." {
		return false
	}
	for segment := range strings.SplitSeq(name, "/") {
		if len(segment) > 255 {
			return false
		}
	}
	return true
}

// directory is a Provider of the files below a directory.
type directory struct{ root *os.Root }

func (d directory) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	const source = "directory"
	switch {
	case ref.Validate() != nil:
		return hush.Secret{}, ref.Validate()
	case ctx.Err() != nil:
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrCanceled, ctx.Err())
	case ref.Version != "" || ref.Stage != "" && ref.Stage != hush.CurrentStage:
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrUnsupported, nil)
	case !validPath(ref.Name):
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrNotFound, nil)
	}
	content, err := d.root.ReadFile(ref.Name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrNotFound, nil)
	}
	if err != nil {
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrUnavailable, nil)
	}
	return ref.Select(hush.Secret{Value: hush.NewValue(content), Source: source})
}
