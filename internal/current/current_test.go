package current_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/current"
)

func TestMissing(t *testing.T) {
	pending, both := []string{"AWSPENDING"}, []string{"custom", hush.CurrentStage}
	for _, c := range []struct {
		ref    hush.Ref
		stages []string
		want   bool
	}{
		{hush.Name("db"), pending, true},
		{hush.Name("db").Fresh(), pending, true},
		{hush.Ref{Name: "db", Stage: hush.CurrentStage}, pending, true},
		{hush.Ref{Name: "db", Field: "password"}, pending, true},
		{hush.Name("db"), both, false},
		{hush.Name("db"), nil, false},
		{hush.Ref{Name: "db", Stage: "AWSPENDING"}, pending, false},
		{hush.Ref{Name: "db", Version: "1"}, pending, false},
		{hush.Ref{Name: "db", Version: "1", Stage: hush.CurrentStage}, pending, false},
	} {
		assert.Equal(t, c.want, current.Missing(c.ref, c.stages), "%v %v", c.ref, c.stages)
	}
}
