package pg

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFindBinariesPrefersPathAndNewestVersion(t *testing.T) {
	root := t.TempDir()
	install := func(dir string, names ...string) string {
		dir = filepath.Join(root, dir)
		require.NoError(t, os.MkdirAll(dir, 0o700))
		for _, name := range names {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o700))
		}
		return dir
	}
	debian := filepath.Join(root, "*", "bin")

	t.Setenv("PATH", install("client", "psql", "initdb"))
	_, err := findBinaries(debian)
	assert.ErrorIs(t, err, ErrNotInstalled, "the client alone is not sufficient")
	assert.ErrorContains(t, err, "apt-get install")

	install("13/bin", "initdb", "postgres")
	newest := install("15/bin", "initdb", "postgres")
	install("16/bin", "initdb")
	dir, err := findBinaries(debian)
	require.NoError(t, err)
	assert.Equal(t, newest, dir, "the newest complete version")

	first := install("local", "initdb", "postgres")
	t.Setenv("PATH", first)
	dir, err = findBinaries(debian)
	require.NoError(t, err)
	assert.Equal(t, first, dir, "PATH comes first")
}
