package directtest

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hush-secrets/hush/internal/clock"
)

// A Failure is an error response. The zero Failure is an empty response with status 400
// to every call.
type Failure struct {
	// Operation is the operation that fails, such as "GetSecretValue". Empty means all.
	Operation string

	// Name is the SecretId of the calls that fail, as the caller spells it. Empty means
	// all.
	Name string

	// Times is the number of calls that fail. Zero means every call until restore.
	Times int

	// Status is the HTTP status. Zero means 400, which Secrets Manager sends with nearly
	// every code.
	Status int

	// Code is the error code in the response. It may have a namespace, as in
	// "com.amazonaws.secretsmanager#ThrottlingException".
	Code string

	// Message is the error message. A client must not quote it, so a test can use a
	// canary.
	Message string

	// InHeader sends Code in the header X-Amzn-ErrorType instead of the body.
	InHeader bool

	// Body replaces the body of the response unless it is nil. It may be invalid, or
	// empty ([]byte{}).
	Body []byte

	// Drop closes the connection instead of sending a response.
	Drop bool
}

// faults are the failures and delays in effect.
type faults struct {
	mu       sync.Mutex
	failures []*Failure
	hangs    []chan struct{}
	next     time.Duration // the delay of the next response
	later    time.Duration
}

// Fail makes matching calls fail until restore is called. If several failures match a
// call, the oldest one with remaining Times decides. A sequence of failures is therefore
// one Fail for each step.
func (s *Server) Fail(f Failure) (restore func()) {
	if f.Times == 0 {
		f.Times = -1
	}
	faults := s.faults.Get()
	faults.mu.Lock()
	defer faults.mu.Unlock()
	faults.failures = append(faults.failures, &f)
	return func() {
		faults.mu.Lock()
		defer faults.mu.Unlock()
		faults.failures = slices.DeleteFunc(faults.failures, func(other *Failure) bool { return other == &f })
	}
}

// Latency delays the next response by first, and later responses by later. Zeros end the
// delays.
func (s *Server) Latency(first, later time.Duration) {
	faults := s.faults.Get()
	faults.mu.Lock()
	defer faults.mu.Unlock()
	faults.next, faults.later = first, later
}

// Hang makes the server send no responses until restore is called. Then it responds to
// the clients that still wait.
func (s *Server) Hang() (restore func()) {
	hang := make(chan struct{})
	faults := s.faults.Get()
	faults.mu.Lock()
	defer faults.mu.Unlock()
	faults.hangs = append(faults.hangs, hang)
	return sync.OnceFunc(func() {
		faults.mu.Lock()
		defer faults.mu.Unlock()
		faults.hangs = slices.DeleteFunc(faults.hangs, func(other chan struct{}) bool { return other == hang })
		close(hang)
	})
}

// wait delays a call as Hang and Latency say, or until ctx ends.
func (f *faults) wait(ctx context.Context) error {
	f.mu.Lock()
	delay, hangs := f.next, slices.Clone(f.hangs)
	f.next = f.later
	f.mu.Unlock()
	for _, hang := range hangs {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return clock.Sleep(ctx, delay)
}

// take returns the failure for a call, or nil.
func (f *faults) take(call Call) *Failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, failure := range f.failures {
		if failure.Times == 0 || !matches(failure.Operation, call.Operation) || !matches(failure.Name, call.Name) {
			continue
		}
		if failure.Times > 0 {
			failure.Times--
		}
		return failure
	}
	return nil
}

// matches reports whether want is got or empty.
func matches(want, got string) bool { return want == "" || want == got }

func (f *Failure) write(w http.ResponseWriter) {
	if f.Drop {
		panic(http.ErrAbortHandler) // net/http then closes the connection
	}
	body := f.Body
	if body == nil && f.Code+f.Message != "" {
		members := map[string]string{"Message": f.Message}
		if !f.InHeader {
			members["__type"] = f.Code
		}
		body = encode(members)
	}
	if f.InHeader {
		w.Header().Set("X-Amzn-ErrorType", f.Code)
	}
	respond(w, cmp.Or(f.Status, http.StatusBadRequest), body)
}
