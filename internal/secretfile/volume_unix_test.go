//go:build unix

package secretfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// volume is a directory as the kubelet mounts it: token -> ..data/token, and ..data is
// a link to a directory with the files of one version. Windows cannot replace a link to
// a directory by a rename.
type volume struct{ dir string }

func newVolume(t *testing.T) volume {
	t.Helper()
	v := volume{t.TempDir()}
	v.add(t, "..1", "first")
	require.NoError(t, os.Symlink("..1", filepath.Join(v.dir, "..data")))
	require.NoError(t, os.Symlink(filepath.Join("..data", "token"), v.path()))
	return v
}

func (v volume) path() string { return filepath.Join(v.dir, "token") }

func (v volume) add(t *testing.T, version, text string) {
	t.Helper()
	require.NoError(t, os.Mkdir(filepath.Join(v.dir, version), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(v.dir, version, "token"), []byte(text), 0o600))
}

// swap replaces one version by another as the kubelet does.
func (v volume) swap(t *testing.T, old, next, text string) {
	t.Helper()
	v.add(t, next, text)
	data := filepath.Join(v.dir, "..data")
	require.NoError(t, os.Symlink(next, data+"_tmp"))
	require.NoError(t, os.Rename(data+"_tmp", data))
	require.NoError(t, os.RemoveAll(filepath.Join(v.dir, old)))
}

// TestOpenDuringASwapOfAVolume swaps after the link is resolved and before the file is
// opened.
func TestOpenDuringASwapOfAVolume(t *testing.T) {
	v := newVolume(t)
	opens := 0
	f, err := openSettled(v.path(), func(path string) (*os.File, error) {
		opens++
		if opens > 1 {
			return open(path)
		}
		resolved, err := filepath.EvalSymlinks(path)
		require.NoError(t, err)
		v.swap(t, "..1", "..2", "second")
		return open(resolved)
	})
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	content := make([]byte, 16)
	n, err := f.Read(content)
	require.NoError(t, err)
	assert.Equal(t, "second", string(content[:n]))
	assert.Equal(t, 2, opens)
}
