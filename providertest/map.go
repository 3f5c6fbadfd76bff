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

// A Map is a Provider in memory, for tests: it keeps versions and stages as
// Secrets Manager does, counts its calls, and fails or dawdles as scripted. The
// zero Map is empty and ready. Every read of it is fresh.
type Map struct {
	mu      sync.Mutex
	secrets map[string][]hush.Secret // oldest first
	denied  map[string]bool
	always  []*always
	script  []Step
	calls   []hush.Ref
}

// A Step is what one call of a Map meets before it reads the map.
type Step struct {
	Delay  time.Duration // waited first, unless the context ends
	Err    error         // if set, the call's error
	Answer *hush.Secret  // if set, the call's answer
}

// always is a Step that every call meets until it is lifted.
type always struct {
	step   Step
	lifted chan struct{}
}

// Put stores value as the newest version of name and returns its version id. The
// version before it becomes AWSPREVIOUS.
func (m *Map) Put(name string, value []byte) (version string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.secrets == nil {
		m.secrets = map[string][]hush.Secret{}
	}
	held := slices.Clone(m.secrets[name])
	for i := range held {
		held[i].Stages = nil
	}
	if len(held) > 0 {
		held[len(held)-1].Stages = []string{"AWSPREVIOUS"}
	}
	version = fmt.Sprintf("v%d", len(held)+1)
	m.secrets[name] = append(held, hush.Secret{
		Value: hush.NewValue(value), Version: version, Stages: []string{hush.CurrentStage},
		Created: time.Now(), Source: "map",
	})
	return version
}

// Delete forgets name and all its versions.
func (m *Map) Delete(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.secrets, name)
}

// Deny makes every later read of name ErrDenied.
func (m *Map) Deny(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.denied == nil {
		m.denied = map[string]bool{}
	}
	m.denied[name] = true
}

// Always makes every call meet step, ahead of the script, until restore is
// called. Calls that still wait out its Delay then go on at once. In a synctest
// bubble, call Always inside the bubble.
func (m *Map) Always(step Step) (restore func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	added := &always{step: step, lifted: make(chan struct{})}
	m.always = append(m.always, added)
	return sync.OnceFunc(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.always = slices.DeleteFunc(m.always, func(a *always) bool { return a == added })
		close(added.lifted)
	})
}

// Script makes the next calls meet steps, one each, in order; after them calls
// read the map.
func (m *Map) Script(steps ...Step) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.script = append(m.script, steps...)
}

// Calls returns the Refs that Get was asked for, in order, failed calls included.
func (m *Map) Calls() []hush.Ref {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.calls)
}

// Get answers from the map, after whatever the script holds for this call.
func (m *Map) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	if err := ctx.Err(); err != nil {
		return hush.Secret{}, hush.NewError("map", ref, hush.ErrCanceled, err)
	}
	step, lifted := m.step(ref)
	if step.Delay > 0 {
		timer := time.NewTimer(step.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-lifted:
			step = Step{}
		case <-ctx.Done():
			return hush.Secret{}, hush.NewError("map", ref, hush.ErrCanceled, ctx.Err())
		}
	}
	switch {
	case step.Err != nil:
		return hush.Secret{}, step.Err
	case step.Answer != nil:
		return ref.Select(*step.Answer)
	}
	secret, err := m.read(ref)
	if err != nil {
		return hush.Secret{}, err
	}
	return ref.Select(secret)
}

// step notes the call and returns what it meets; lifted is closed when that no
// longer holds.
func (m *Map) step(ref hush.Ref) (step Step, lifted <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, ref)
	if len(m.always) > 0 {
		last := m.always[len(m.always)-1]
		return last.step, last.lifted
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
