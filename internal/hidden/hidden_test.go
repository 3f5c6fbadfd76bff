package hidden_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/davecgh/go-spew/spew"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/internal/hidden"
)

func TestOf(t *testing.T) {
	assert.Equal(t, "hunter2", hidden.New("hunter2").Get())
	assert.Zero(t, hidden.Of[*int]{}.Get())
}

// TestOfIsNotPrinted tests fmt only. The redaction tests of package hush test the types
// that use Of with all printers.
func TestOfIsNotPrinted(t *testing.T) {
	for _, v := range []any{hidden.New("hunter2"), &struct{ o hidden.Of[[]byte] }{hidden.New([]byte("hunter2"))}} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		for _, printed := range []string{fmt.Sprintf("%v %+v %#v %s", v, v, v, v), spew.Sdump(v), string(text)} {
			assert.NotContains(t, printed, "hunter2")
			assert.NotContains(t, printed, "104 117 110")
		}
	}
}
