package cachettl_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// A modelStore responds at once. Commands change its state. A plain request may
// return an older copy, as a request through the Lambda extension may.
type modelStore struct {
	setup
	now     clock.Func
	secrets map[string]*modelSecret
	failure hush.Class // of every call; 0: none

	calls         []string
	fillers       int
	onStaleCalled map[string]bool // OnStale was called
}

// A modelSecret has the versions 1 to latest. Plain requests return frontVersion.
type modelSecret struct {
	latest, current, frontVersion int
	failure                       hush.Class
}

func newModelStore(s setup, now clock.Func) *modelStore {
	m := &modelStore{setup: s, now: now, secrets: map[string]*modelSecret{}, onStaleCalled: map[string]bool{}}
	for _, name := range []string{"a", "b"} {
		m.secrets[name] = &modelSecret{latest: 1, current: 1, frontVersion: 1}
	}
	return m
}

// Get records the call and responds.
func (m *modelStore) Get(_ context.Context, ref hush.Ref) (hush.Secret, error) {
	_, fresh := ref.Freshness()
	if strings.HasPrefix(ref.Name, "filler") {
		return hush.Secret{Value: hush.NewValue(nil)}, nil
	}
	m.calls = append(m.calls, callText(ref.Name, fresh))
	secret, class := m.respond(ref.Name, fresh)
	if class != 0 {
		return hush.Secret{}, hush.NewError("store", ref, class, nil)
	}
	return secret, nil
}

func callText(name string, fresh bool) string { return fmt.Sprintf("%s fresh=%t", name, fresh) }

// respond changes nothing, so that the model can call it, too.
func (m *modelStore) respond(name string, fresh bool) (hush.Secret, hush.Class) {
	v := m.secrets[name]
	switch {
	case m.failure == fallbacks:
		return hush.Secret{Value: hush.NewValue([]byte(`{"p":"spare"}`)), FromFallback: true}, 0
	case m.failure != 0:
		return hush.Secret{}, m.failure
	case fresh && m.noFresh:
		return hush.Secret{}, hush.ErrUnsupported
	case v.failure != 0:
		return hush.Secret{}, v.failure
	case fresh:
		return m.version(v.current), 0
	}
	return m.version(v.frontVersion), 0
}

func (m *modelStore) version(i int) hush.Secret {
	s := hush.Secret{
		Value: hush.NewValue(fmt.Appendf(nil, `{"p":"value %d"}`, i)), Version: fmt.Sprint("v", i),
		Created: time.Unix(int64(i), 0),
	}
	if m.lease > 0 {
		s.Expires = m.now().Time().Add(m.lease)
	}
	return s
}
