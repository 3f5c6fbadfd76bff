package extension

import (
	"context"
	"sync"
	"time"

	"github.com/hush-secrets/hush/internal/clock"
)

const (
	readyPoll = 10 * time.Millisecond  // between two requests to a server that is not ready
	readyRest = 100 * time.Millisecond // without requests, after a wait without success

	// newWait is how long after the last "not ready" a read waits again. Lambda limits
	// INIT, during which the extension serves nothing, to 10 s.
	newWait = 10 * time.Second
)

// A readiness makes the reads of a Provider share one wait for a server that is not
// ready.
//
// The first read whose response is "not ready" polls the server until ReadyWait is over.
// Other reads wait for it. Then the server rests: for readyRest after its last "not
// ready", reads fail at once. After the rest, one read sends a single request. If the
// server is still not ready, it rests again. Any other response makes it ready.
type readiness struct {
	now  clock.Func
	wait time.Duration
	turn chan struct{} // full while one read may send requests

	mu    sync.Mutex
	state readyState
	end   clock.Instant // end of the wait or of the rest
	last  clock.Instant // time of the last "not ready"
}

type readyState uint8

const (
	ready readyState = iota
	waiting
	resting
)

func newReadiness(now clock.Func, wait time.Duration) *readiness {
	return &readiness{now: now, wait: wait, turn: make(chan struct{}, 1)}
}

// A visit is one read that may have to wait for the server.
type visit struct {
	*readiness
	hasTurn bool
}

// enter reports whether the read may send a request. It waits while another read polls
// the server.
func (v *visit) enter(ctx context.Context) bool {
	for {
		state, over := v.look()
		switch {
		case state == ready:
			v.leave() // all reads may send at once
			return true
		case state == resting && !over:
			return false
		case v.hasTurn:
			return true
		case !v.take(ctx, state == waiting):
			return false
		}
	}
}

func (r *readiness) look() (state readyState, over bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state, r.now().Reached(r.end)
}

// take takes the turn and reports whether it succeeded. If another read has the turn,
// take waits for it only if waits is true.
func (v *visit) take(ctx context.Context, waits bool) bool {
	select {
	case v.turn <- struct{}{}:
		v.hasTurn = true
		return true
	default:
	}
	if waits {
		select {
		case v.turn <- struct{}{}:
			v.hasTurn = true
		case <-ctx.Done():
		}
	}
	return v.hasTurn
}

// leave releases the turn.
func (v *visit) leave() {
	if v.hasTurn {
		<-v.turn
		v.hasTurn = false
	}
}

// note records whether a response showed that the server is ready.
func (r *readiness) note(isReady bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if isReady {
		r.state = ready
		return
	}
	now := r.now()
	isFirst := r.state == ready || now.Since(r.last) >= newWait
	r.last = now
	switch {
	case isFirst && r.wait > 0:
		r.state, r.end = waiting, now.Add(r.wait)
	case r.state != waiting || now.Reached(r.end):
		r.state, r.end = resting, now.Add(readyRest)
	}
}
