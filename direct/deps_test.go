package direct_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLinks checks that package direct does not link the loading of AWS configuration,
// and that no package links a testing package.
func TestLinks(t *testing.T) {
	for _, c := range []struct {
		pkg   string
		never []string
		proof string // a package that is linked, which shows that the list is not empty
	}{
		{".", []string{"github.com/aws/aws-sdk-go-v2/config", "github.com/aws/aws-sdk-go-v2/service/sts", "testing"}, "github.com/aws/aws-sdk-go-v2/service/secretsmanager"},
		{"./directtest", []string{"github.com/aws/aws-sdk-go-v2/config", "testing", "net/http/httptest"}, "net/http"},
		{"./awsdirect", []string{"testing", "net/http/httptest"}, "github.com/aws/aws-sdk-go-v2/config"},
	} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", c.pkg).Output()
		require.NoError(t, err)
		links := strings.Fields(string(out))
		assert.Contains(t, links, c.proof)
		for _, never := range c.never {
			assert.NotContains(t, links, never, c.pkg)
		}
	}
}
