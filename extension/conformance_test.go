package extension_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/providertest"
)

func TestConformanceLambda(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		inLambda(t)
		f := &fake{}
		server := httptest.NewServer(f)
		t.Cleanup(server.Close)
		h := harness(&f.store)
		h.Provider = open(t, extension.Options{Endpoint: server.URL})
		h.Break = f.Break
		h.Vague = true
		return h
	})
}

func TestConformanceAgent(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		outside(t)
		t.Setenv("AWS_TOKEN", sessionToken)
		m := &providertest.Map{}
		server := httptest.NewServer(agent.Handler(m, sessionToken, nil))
		t.Cleanup(server.Close)
		h := harness(m)
		h.Provider = open(t, extension.Options{Endpoint: server.URL})
		h.Break = func() func() { return m.Always(providertest.Step{Err: hush.ErrUnavailable}) }
		return h
	})
}

func harness(m *providertest.Map) providertest.Harness {
	put := func(name string, value []byte) { m.Put(name, value) }
	return providertest.Harness{
		Put: put, Rotate: put, Deny: m.Deny, Hidden: []string{sessionToken},
		Hang: func() func() { return m.Always(providertest.Step{Delay: time.Hour}) },
	}
}
