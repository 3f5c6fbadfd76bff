package cachettl_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hush-secrets/hush"
)

// A remote is a store outside of the process. It rotates its secret for each call.
type remote struct {
	process *process
	latency time.Duration
	resets  bool // a call during a stop ends with an error, otherwise with the response
	hangs   atomic.Bool

	mu       sync.Mutex
	failure  hush.Class // of each call; 0: none
	fallback bool       // each secret has FromFallback
	version  int
	arrivals []chan struct{} // of responses that arrived while the process stood still
}

func (s *remote) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	arrival := make(chan struct{})
	s.mu.Lock()
	s.version++
	version := fmt.Sprint("v", s.version)
	s.arrivals = append(s.arrivals, arrival)
	s.mu.Unlock()
	latency := time.After(s.latency)
	if s.hangs.Load() {
		latency, arrival = nil, nil
	}
	stops := s.process.stopCount()
	var err error
	select {
	case <-latency:
	case <-arrival:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.process.running()
	failure, fallback := s.state()
	switch {
	case failure != 0:
		return hush.Secret{}, hush.NewError("remote", ref, failure, nil)
	case err == nil && s.resets && stops != s.process.stopCount():
		err = errors.New("connection reset by peer")
	}
	if err != nil {
		return hush.Secret{}, hush.NewError("remote", ref, hush.ErrUnavailable, err)
	}
	return hush.Secret{Value: hush.NewValue([]byte(version)), Version: version, FromFallback: fallback}, nil
}

func (s *remote) state() (failure hush.Class, fallback bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure, s.fallback
}

// fail makes each call fail with class, or makes the store healthy again.
func (s *remote) fail(class hush.Class) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure, s.fallback = class, false
}

// fallBack makes each call return a secret that has FromFallback.
func (s *remote) fallBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fallback = true
}

// arrive returns a function that delivers the responses to the calls that are in
// flight now.
func (s *remote) arrive() (deliver func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	arrivals := s.arrivals
	s.arrivals = nil
	return func() {
		for _, arrival := range arrivals {
			close(arrival)
		}
	}
}

// versions returns the number of versions so far.
func (s *remote) versions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// extensionOf returns another cache in front of s, such as the Lambda extension. It
// has its own TTL and does not support fresh requests.
func extensionOf(s *remote, ttl time.Duration) hush.ProviderFunc {
	var mu sync.Mutex
	var cached hush.Secret
	var end time.Duration
	return func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		if _, fresh := ref.Freshness(); fresh {
			return hush.Secret{}, hush.NewError("extension", ref, hush.ErrUnsupported, nil)
		}
		mu.Lock()
		secret, live := cached, s.process.wall() < end
		mu.Unlock()
		if live {
			time.Sleep(time.Millisecond)
			s.process.running()
			return secret, nil
		}
		secret, err := s.Get(ctx, ref)
		if err == nil {
			mu.Lock()
			cached, end = secret, s.process.wall()+ttl
			mu.Unlock()
		}
		return secret, err
	}
}
