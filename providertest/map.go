package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hush-secrets/hush"
)

// A Map is an in-memory Provider for tests. It keeps versions and stages as Secrets
// Manager does, records its calls, and can delay or fail them. The zero Map is empty
// and ready to use. Every read is fresh.
type Map struct {
	mu      sync.Mutex
	secrets map[string][]hush.Secret // oldest first
	denied  map[string]bool
	always  []*always
	script  []Step
	calls   []hush.Ref
}

// A Step changes the behavior of one call of Get.
type Step struct {
	Delay  time.Duration // before the result, or until the context ends
	Err    error         // if not nil, the error that Get returns
	Secret *hush.Secret  // if not nil, the secret that Get returns
}

// always is a Step for every call until it is restored.
type always struct {
	step     Step
	restored chan struct{}
}

// Put stores value as the current version of name and returns the ID of the version.
// The previous version gets the stage AWSPREVIOUS.
func (m *Map) Put(name string, value []byte) (version string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.secrets == nil {
		m.secrets = map[string][]hush.Secret{}
	}
	versions := slices.Clone(m.secrets[name])
	for i := range versions {
		versions[i].Stages = nil
	}
	if len(versions) > 0 {
		versions[len(versions)-1].Stages = []string{"AWSPREVIOUS"}
	}
	version = fmt.Sprintf("v%d", len(versions)+1)
	m.secrets[name] = append(versions, hush.Secret{
		Value: hush.NewValue(value), Version: version, Stages: []string{hush.CurrentStage},
		Created: time.Now(), Source: "map",
	})
	return version
}

// Delete removes name and all its versions.
func (m *Map) Delete(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.secrets, name)
}

// Deny makes every later read of name fail with ErrDenied.
func (m *Map) Deny(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.denied == nil {
		m.denied = map[string]bool{}
	}
	m.denied[name] = true
}

// Always applies step to every call until restore is called. It takes precedence over
// the script. restore ends the Delay of waiting calls. In a synctest bubble, call
// Always inside the bubble.
func (m *Map) Always(step Step) (restore func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	added := &always{step: step, restored: make(chan struct{})}
	m.always = append(m.always, added)
	return sync.OnceFunc(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.always = slices.DeleteFunc(m.always, func(a *always) bool { return a == added })
		close(added.restored)
	})
}

// Script applies steps to the next calls, one step to each call, in order.
func (m *Map) Script(steps ...Step) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.script = append(m.script, steps...)
}

// Calls returns the Refs of all calls of Get, in order, including failed calls.
func (m *Map) Calls() []hush.Ref {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.calls)
}

// Get applies the next Step and then reads the secret.
func (m *Map) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	if err := ctx.Err(); err != nil {
		return hush.Secret{}, hush.NewError("map", ref, hush.ErrCanceled, err)
	}
	step, restored := m.step(ref)
	if step.Delay > 0 {
		timer := time.NewTimer(step.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-restored:
			step = Step{}
		case <-ctx.Done():
			return hush.Secret{}, hush.NewError("map", ref, hush.ErrCanceled, ctx.Err())
		}
	}
	switch {
	case step.Err != nil:
		return hush.Secret{}, step.Err
	case step.Secret != nil:
		return ref.Select(*step.Secret)
	}
	secret, err := m.read(ref)
	if err != nil {
		return hush.Secret{}, err
	}
	return ref.Select(secret)
}

// step records the call and returns its Step. restored is closed when a Step of Always
// ends.
func (m *Map) step(ref hush.Ref) (step Step, restored <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, ref)
	if len(m.always) > 0 {
		last := m.always[len(m.always)-1]
		return last.step, last.restored
	}
	if len(m.script) > 0 {
		step, m.script = m.script[0], m.script[1:]
	}
	return step, nil
}

func (m *Map) read(ref hush.Ref) (hush.Secret, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.denied[ref.Name] {
		return hush.Secret{}, hush.NewError("map", ref, hush.ErrDenied, nil)
	}
	stage := ref.Stage
	if ref.Version == "" && stage == "" {
		stage = hush.CurrentStage
	}
	for _, secret := range m.secrets[ref.Name] {
		if (ref.Version == "" || secret.Version == ref.Version) && (stage == "" || slices.Contains(secret.Stages, stage)) {
			return secret, nil
		}
	}
	if len(m.secrets[ref.Name]) == 0 {
		return hush.Secret{}, hush.NewError("map", ref, hush.ErrNotFound, nil)
	}
	return hush.Secret{}, hush.NewError("map", ref, hush.ErrNotFound, errors.New("no such version or stage"))
}
