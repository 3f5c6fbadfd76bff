package directtest

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A Failure is what the server answers instead of the truth. The zero Failure is
// an empty answer with status 400 to every call.
type Failure struct {
	// Operation limits the failure to one operation, such as "GetSecretValue".
	// Empty: all.
	Operation string

	// Name limits it to calls with this SecretId, as the caller spelled it. Empty:
	// all.
	Name string

	// Times is how many calls fail. Zero: every call until restored.
	Times int

	// Status is the HTTP status. Zero: 400, which is what Secrets Manager sends with
	// nearly every code.
	Status int

	// Code is the error's code as it is to appear on the wire, with or without a
	// namespace: "ThrottlingException", "com.amazonaws.secretsmanager#…".
	Code string

	// Message is the error's message. No error of a well-kept client quotes it, so
	// a test puts a canary here.
	Message string

	// InHeader sends Code in X-Amzn-ErrorType instead of the body's __type.
	InHeader bool

	// Body, if not nil, is the whole body, Code and Message notwithstanding: for
	// answers that are no error, garbage, or empty ([]byte{}).
	Body []byte

	// Drop closes the connection instead of answering.
	Drop bool
}

// faults is what stands between a call and its answer.
type faults struct {
	mu       sync.Mutex
	failures []*Failure
	hangs    []chan struct{}
	first    time.Duration
	later    time.Duration
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

// Latency delays every answer from now on: the next by first, those after it by
// later. Zeros end it.
func (s *Server) Latency(first, later time.Duration) {
	s.faults.Get().mu.Lock()
	defer s.faults.Get().mu.Unlock()
	s.faults.Get().first, s.faults.Get().later = first, later
}

// Hang makes the server take calls and not answer until restore is called; they
// are then answered, if anyone still waits.
func (s *Server) Hang() (restore func()) {
	hang := make(chan struct{})
	s.faults.Get().mu.Lock()
	defer s.faults.Get().mu.Unlock()
	s.faults.Get().hangs = append(s.faults.Get().hangs, hang)
	return sync.OnceFunc(func() {
		s.faults.Get().mu.Lock()
		defer s.faults.Get().mu.Unlock()
		s.faults.Get().hangs = slices.DeleteFunc(s.faults.Get().hangs, func(held chan struct{}) bool { return held == hang })
		close(hang)
	})
}

// Break closes every connection and refuses new ones until restore is called,
// which listens on the same port again. It panics if another process has taken
// the port meanwhile.
func (s *Server) Break() (restore func()) { return s.http.Get().Break() }

// wait holds a call up as long as the faults say, or until ctx is done.
func (f *faults) wait(ctx context.Context) error {
	f.mu.Lock()
	delay, hangs := f.first, slices.Clone(f.hangs)
	f.first = f.later
	f.mu.Unlock()
	for _, hang := range hangs {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
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
func (f *faults) take(operation, name string) *Failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, failure := range f.failures {
		if failure.Times == 0 || !matches(failure.Operation, operation) || !matches(failure.Name, name) {
			continue
		}
		if failure.Times > 0 {
			failure.Times--
		}
		return failure
	}
	return nil
}

// matches reports whether want is got or nothing in particular.
func matches(want, got string) bool { return want == "" || want == got }

// write answers with the failure.
func (f *Failure) write(w http.ResponseWriter) {
	if f.Drop {
		panic(http.ErrAbortHandler) // net/http's way to close without an answer
	}
	status := f.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	body := f.Body
	if body == nil && f.Code+f.Message != "" {
		said := map[string]string{"Message": f.Message}
		if !f.InHeader {
			said["__type"] = f.Code
		}
		body = encode(said)
	}
	if f.InHeader {
		w.Header().Set("X-Amzn-ErrorType", f.Code)
	}
	respond(w, status, body)
}
