package all_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/config/all"
)

func TestSchemes(t *testing.T) {
	c := &config.Config{}
	for _, text := range []string{"extension", "direct:?region=eu-west-1", "vault://127.0.0.1:8200/apps?auth=aws&role=app&tls=false", "env:?prefix=APP_"} {
		c.Providers = append(c.Providers, config.Link{URL: text})
	}
	p, err := config.Open(t.Context(), c, all.Schemes()...)
	require.NoError(t, err)
	var names []string
	for _, l := range p.Links() {
		names = append(names, l.Name)
	}
	assert.Equal(t, []string{"extension", "direct", "vault", "env"}, names)
	assert.Equal(t, "direct", p.Links()[0].Front)
	assert.NoError(t, p.Close())
}

func Example() {
	_, err := config.Open(context.Background(), &config.Config{Providers: []config.Link{{URL: "valut"}}}, all.Schemes()...)
	fmt.Println(err)
	// Output: config: provider 1: unknown scheme "valut"; known: extension, direct, vault, env: did you mean "vault"?
}
