package hush_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Limits for the Go files of a folder, without tests. The linter limits the lines of a
// file and of a function.
const (
	maxFolderFiles = 24
	maxFolderLines = 3000
)

// TestFolderSizes keeps each folder small enough to be read.
func TestFolderSizes(t *testing.T) {
	files, lines := map[string]int{}, map[string]int{}
	require.NoError(t, filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		source, err := os.ReadFile(name)
		files[filepath.Dir(name)]++
		lines[filepath.Dir(name)] += bytes.Count(source, []byte("\n"))
		return err
	}))
	require.Greater(t, len(files), 20, "number of folders")
	for folder := range files {
		assert.LessOrEqual(t, files[folder], maxFolderFiles, "files in %s", folder)
		assert.LessOrEqual(t, lines[folder], maxFolderLines, "lines in %s", folder)
	}
}
