// Package linkswap replaces a file while a test reads it. An attacker with write access
// to the folder of the file does the same.
package linkswap

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Start makes path a symbolic link to each of files in turn, until stop is called. The
// path always exists.
func Start(t *testing.T, path string, files ...string) (stop func()) {
	t.Helper()
	require.NoError(t, os.Symlink(files[0], path))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if !assert.NoError(t, os.Symlink(files[i%len(files)], path+".next")) || !assert.NoError(t, os.Rename(path+".next", path)) {
				return
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}
