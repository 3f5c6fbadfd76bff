package smapi_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/smapi"
)

func TestLacksCurrent(t *testing.T) {
	pending, both := []string{"AWSPENDING"}, []string{"custom", hush.CurrentStage}
	for name, c := range map[string]struct {
		ref    hush.Ref
		stages []string
		want   bool
	}{
		"another stage":               {hush.Name("db"), pending, true},
		"fresh":                       {hush.Name("db").Fresh(), pending, true},
		"current stage requested":     {hush.Ref{Name: "db", Stage: hush.CurrentStage}, pending, true},
		"field":                       {hush.Ref{Name: "db", Field: "password"}, pending, true},
		"current stage":               {hush.Name("db"), both, false},
		"no stages":                   {hush.Name("db"), nil, false},
		"another stage requested":     {hush.Ref{Name: "db", Stage: "AWSPENDING"}, pending, false},
		"version requested":           {hush.Ref{Name: "db", Version: "1"}, pending, false},
		"version and stage requested": {hush.Ref{Name: "db", Version: "1", Stage: hush.CurrentStage}, pending, false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, smapi.Response{Stages: c.stages}.LacksCurrent(c.ref))
		})
	}
}
