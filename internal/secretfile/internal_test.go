package secretfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOpenRetriesOnlyAMissingFile(t *testing.T) {
	for cause, want := range map[error]int{fs.ErrNotExist: 2, fs.ErrPermission: 1, errNotRegular: 1} {
		opens := 0
		_, err := openSettled("token", func(string) (*os.File, error) {
			opens++
			return nil, cause
		})
		require.ErrorIs(t, err, cause)
		assert.Equal(t, want, opens, "%v", cause)
	}
	_, err := Read(filepath.Join(t.TempDir(), "missing"), 64)
	assert.ErrorIs(t, err, fs.ErrNotExist)
}
