package providertest_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
)

// A directory has one file for each secret, and no name longer than 255 bytes. It is
// tested on Linux only: on macOS and Windows, names that differ in case are one file.
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
