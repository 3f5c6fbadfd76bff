package main_test

import (
	"context"
	"testing"

	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/providertest"
)

// TestAgentConformance runs the conformance suite with the agent in front of Secrets
// Manager.
func TestAgentConformance(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		store, vars := startStore(t)
		a := startAgent(t, append(vars, "HUSH_BREAKER_FAILURES=0"), "--ttl", "0s")
		return providertest.Harness{
			Provider: extension.New(&extension.Options{
				Endpoint: a.url, Dialect: extension.DialectAgent, Timeout: testTimeout,
				Token: func(context.Context) (string, error) { return a.token, nil },
			}),
			Put:    func(name string, value []byte) { store.Put(name, value) },
			Rotate: func(name string, value []byte) { store.Rotate(name, value)() },
			Deny:   func(name string) { store.Deny(name) },
			Break:  store.Break,
			Hang:   store.Hang,
			Logs:   a.stderr.String,
			Hidden: []string{a.token, directtest.SecretAccessKey},
		}
	})
}
