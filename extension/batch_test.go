package extension_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/providertest"
)

// TestGetBatch reads from an agent that responds only once three requests are in flight.
// Fewer parallel requests would hang, and the test counts more.
func TestGetBatch(t *testing.T) {
	outside(t)
	t.Setenv("AWS_TOKEN", sessionToken)
	m := &providertest.Map{}
	var refs []hush.Ref
	for i := range 9 {
		name := fmt.Sprint("db/", i)
		m.Put(name, fmt.Appendf(nil, `{"user":"app%d"}`, i))
		refs = append(refs, hush.Ref{Name: name, Field: "user"})
	}
	m.Deny("db/3")
	refs[5].Name = "none"
	refs[7].Field = "nope"
	var threes barrier
	handler := agent.Handler(m, sessionToken, nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		threes.wait(3)
		handler.ServeHTTP(w, r)
		threes.leave()
	}))
	t.Cleanup(server.Close)
	p := open(t, extension.Options{Endpoint: server.URL})

	results := hush.GetAll(t.Context(), p, refs...)
	require.Len(t, results, len(refs))
	for i, r := range results {
		want := map[int]hush.Class{3: hush.ErrDenied, 5: hush.ErrNotFound, 7: hush.ErrNotFound}[i]
		assert.Equal(t, want, hush.ClassOf(r.Err), "%d: %v", i, r.Err)
		assert.Empty(t, providertest.Leaks(r.Err, sessionToken))
		if want == 0 {
			assert.Equal(t, fmt.Sprint("app", i), r.Secret.Value.Reveal())
		}
	}
	assert.Equal(t, 3, threes.most)
	assert.Len(t, m.Calls(), 9)

	invalid := p.GetBatch(t.Context(), []hush.Ref{{}, {Name: "a\nb"}})
	for _, r := range invalid {
		assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(r.Err), "as Get does")
	}
	assert.Empty(t, p.GetBatch(t.Context(), nil))
}

// A barrier releases its waiters once there are enough of them, and records the largest
// number of requests in flight.
type barrier struct {
	mu        sync.Mutex
	waiting   int
	gate      chan struct{}
	now, most int
}

func (b *barrier) wait(enough int) {
	b.mu.Lock()
	if b.waiting == 0 {
		b.gate = make(chan struct{})
	}
	gate := b.gate
	b.now++
	b.most = max(b.most, b.now)
	if b.waiting++; b.waiting == enough {
		b.waiting = 0
		close(gate)
	}
	b.mu.Unlock()
	<-gate
}

func (b *barrier) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now--
}

func TestGetBatchWithoutConfigurationIsAbsent(t *testing.T) {
	outside(t)
	p := open(t, extension.Options{})
	for _, r := range p.GetBatch(t.Context(), []hush.Ref{hush.Name("a"), hush.Name("b")}) {
		assert.Equal(t, hush.ErrAbsent, hush.ClassOf(r.Err))
	}
}
