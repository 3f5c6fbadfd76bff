package vaulttest

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A Failure is what the server answers instead of the truth. The zero Failure is
// status 500 with the errors ["internal error"] to every call.
type Failure struct {
	// Operation limits the failure to calls of one kind, such as Login. Empty: all.
	Operation Operation

	// Path limits it to calls of this path, as Call has it. Empty: all.
	Path string

	// Times is how many calls fail. Zero: every call until restored.
	Times int

	// Status is the HTTP status. Zero: 500.
	Status int

	// Errors are the messages of the answer. No error of a well-kept client quotes
	// them, so a test puts a canary here.
	Errors []string

	// Header is sent with the answer: Retry-After, Location.
	Header http.Header

	// Body, if not nil, is the whole body, Errors notwithstanding: for answers that
	// are no error, garbage, huge, or empty ([]byte{}).
	Body []byte

	// Drop closes the connection instead of answering. If it was a kept one, net/http
	// sends a GET once more, which is a call of its own.
	Drop bool
}

// faults is what stands between a call and its answer.
type faults struct {
	mu       sync.Mutex
	failures []*Failure
	hangs    []*hang
	delays   map[Operation]time.Duration
}

type hang struct {
	kind Operation
	over chan struct{}
}

// Fail makes matching calls fail. Of several failures that match a call, the
// oldest that is not used up decides, so that a sequence is a Fail for each step.
// restore ends this one early.
func (s *Server) Fail(f Failure) (restore func()) {
	failure := &f
	if f.Times == 0 {
		failure.Times = -1
	}
	s.faults.Get().mu.Lock()
	defer s.faults.Get().mu.Unlock()
	s.faults.Get().failures = append(s.faults.Get().failures, failure)
	return func() {
		s.faults.Get().mu.Lock()
		defer s.faults.Get().mu.Unlock()
		s.faults.Get().failures = slices.DeleteFunc(s.faults.Get().failures, func(held *Failure) bool { return held == failure })
	}
}

// Throttle answers the next calls, as many as times says, 0 being all until
// restore is called, as a rate limit quota does: with 429 and a Retry-After of
// whole seconds, 0 being none.
func (s *Server) Throttle(retryAfter time.Duration, times int) (restore func()) {
	f := Failure{Status: http.StatusTooManyRequests, Errors: []string{`request path "a": rate limit quota exceeded`}, Times: times}
	if retryAfter > 0 {
		f.Header = http.Header{"Retry-After": {strconv.Itoa(int(retryAfter / time.Second))}}
	}
	return s.Fail(f)
}

// Standby makes the server a standby until restore is called: it sends every call
// on, by 307, to the same path below address, which is scheme and host.
func (s *Server) Standby(address string) (restore func()) { return s.store.Get().redirect(address) }

// Answer answers the next reads, as many as times says, 0 being all until restore
// is called, with this status and these bytes.
func (s *Server) Answer(status int, body []byte, times int) (restore func()) {
	return s.Fail(Failure{Operation: Read, Status: status, Body: append([]byte{}, body...), Times: times})
}

// Latency delays every answer to calls of kind, "" being all, from now on. Zero
// ends it.
func (s *Server) Latency(kind Operation, delay time.Duration) {
	s.faults.Get().mu.Lock()
	defer s.faults.Get().mu.Unlock()
	if s.faults.Get().delays == nil {
		s.faults.Get().delays = map[Operation]time.Duration{}
	}
	s.faults.Get().delays[kind] = delay
}

// Hang makes the server take calls of kind, "" being all, and not answer until
// restore is called; they are then answered, if anyone still waits.
func (s *Server) Hang(kind Operation) (restore func()) {
	held := &hang{kind, make(chan struct{})}
	s.faults.Get().mu.Lock()
	defer s.faults.Get().mu.Unlock()
	s.faults.Get().hangs = append(s.faults.Get().hangs, held)
	return sync.OnceFunc(func() {
		s.faults.Get().mu.Lock()
		defer s.faults.Get().mu.Unlock()
		s.faults.Get().hangs = slices.DeleteFunc(s.faults.Get().hangs, func(h *hang) bool { return h == held })
		close(held.over)
	})
}

// Break kills the server: it closes every connection and refuses new ones until
// restore is called, which listens on the same port again with all that the
// server knew. It panics if another process has taken the port meanwhile.
func (s *Server) Break() (restore func()) { return s.http.Get().Break() }

// wait holds a call up as long as the faults say, or until ctx is done.
func (f *faults) wait(ctx context.Context, kind Operation) error {
	f.mu.Lock()
	delay, hangs := max(f.delays[""], f.delays[kind]), slices.Clone(f.hangs)
	f.mu.Unlock()
	for _, held := range hangs {
		if !matches(held.kind, kind) {
			continue
		}
		select {
		case <-held.over:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return pause(ctx, delay)
}

func pause(ctx context.Context, delay time.Duration) error {
	if delay <= 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take returns the failure that this call meets, or nil.
func (f *faults) take(call Call) *Failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, failure := range f.failures {
		if failure.Times == 0 || !matches(failure.Operation, call.Operation) || !matches(failure.Path, call.Path) {
			continue
		}
		if failure.Times > 0 {
			failure.Times--
		}
		return failure
	}
	return nil
}

// write answers with the failure.
func (f *Failure) write(w http.ResponseWriter) {
	if f.Drop {
		panic(http.ErrAbortHandler) // net/http's way to close without an answer
	}
	status, said := f.Status, f.Errors
	if status == 0 {
		status = http.StatusInternalServerError
	}
	if said == nil {
		said = []string{"internal error"}
	}
	for name, values := range f.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	if f.Body != nil {
		respond(w, status, f.Body)
		return
	}
	respond(w, status, encode(errorBody{Errors: said}))
}
