package cachettl

import (
	"bytes"
	"context"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

// A hit that writes to memory of the cache makes all cores wait for one another. The
// test compares the bytes of everything that a hit reads, before and after.
func TestAHitWritesNothing(t *testing.T) {
	ctx := context.Background()
	c := New(hush.Static(map[string]string{"db": `{"user":"app"}`}), time.Hour, nil)
	defer func() { require.NoError(t, c.Close()) }()
	whole, field := hush.Name("db"), hush.Ref{Name: "db", Field: "user"}
	handle := c.Handle(field)
	hits := func() {
		for range 3 {
			_, err := c.Get(ctx, whole)
			require.NoError(t, err)
			_, err = c.Get(ctx, field)
			require.NoError(t, err)
			_, err = handle.Get(ctx)
			require.NoError(t, err)
			_, err = c.GetDerived(ctx, whole, derivedKey{}, length)
			require.NoError(t, err)
		}
	}
	hits()        // the first hits store the secret and the field, and mark the entry as read
	_ = c.Stats() // takes the lock, so that the fetch has released it
	entry := c.table.find(&whole)
	record := entry.record.Load()
	memory := func() [][]byte {
		return [][]byte{bytesOf(c), bytesOf(entry), bytesOf(record), bytesOf(record.selections), bytesOf(handle)}
	}
	before := memory()
	hits()
	assert.Equal(t, before, memory())
}

type derivedKey struct{}

func length(s hush.Secret) any { return s.Value.Len() }

// bytesOf returns a copy of the memory of *v, without what it points to.
func bytesOf[T any](v *T) []byte {
	return bytes.Clone(unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)))
}
