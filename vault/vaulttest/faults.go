package vaulttest

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"time"
)

// A Failure is a response that replaces the regular one. The zero value is status 500 with
// the error "internal error", for every request.
type Failure struct {
	// Operation limits the failure to requests of one operation. Empty means all.
	Operation Operation

	// Path limits the failure to requests with this Call.Path. Empty means all.
	Path string

	// Times is the number of requests that fail. Zero means all, until restore is called.
	Times int

	// Status is the HTTP status. Zero means 500.
	Status int

	// Errors are the error messages of the response. Nil means "internal error". A client
	// must not quote them, so a test can use a canary.
	Errors []string

	// Header is added to the header of the response, for example Retry-After.
	Header http.Header

	// Body is the complete body of the response and overrides Errors. It may be invalid.
	// Nil means a body with Errors; []byte{} means an empty body.
	Body []byte

	// Drop closes the connection instead of sending a response. On a reused connection,
	// net/http repeats a GET, which is another request.
	Drop bool
}

type hang struct {
	op       Operation
	released chan struct{}
}

// Fail makes matching requests fail, until restore is called. If several failures match a
// request, the oldest that is not used up applies. A test can thus add a sequence of
// failures.
func (s *Server) Fail(f Failure) (restore func()) {
	failure := &f
	if f.Times == 0 {
		failure.Times = -1
	}
	return s.apply(
		func(st *state) { st.failures = append(st.failures, failure) },
		func(st *state) {
			st.failures = slices.DeleteFunc(st.failures, func(other *Failure) bool { return other == failure })
		})
}

// Seal makes the server respond like a sealed server, until restore is called. The server
// keeps its data.
func (s *Server) Seal() (restore func()) {
	return s.apply(func(st *state) { st.seals++ }, func(st *state) { st.seals-- })
}

// Latency delays the responses to requests of op by delay. An empty op means all. A zero
// delay ends it.
func (s *Server) Latency(op Operation, delay time.Duration) {
	st := s.lock()
	defer st.mu.Unlock()
	st.latency[op] = delay
}

// Hang makes the server accept requests of op and not respond to them, until restore is
// called. An empty op means all. The server then responds to the requests of clients that
// still wait.
func (s *Server) Hang(op Operation) (restore func()) {
	h := &hang{op, make(chan struct{})}
	return s.apply(
		func(st *state) { st.hangs = append(st.hangs, h) },
		func(st *state) {
			st.hangs = slices.DeleteFunc(st.hangs, func(other *hang) bool { return other == h })
			close(h.released)
		})
}

// Break closes all connections and refuses new ones, until restore is called. restore
// listens on the same port again; the server keeps its data. restore panics if another
// process uses the port.
func (s *Server) Break() (restore func()) { return s.state.Get().http.Break() }

// wait delays a request until no hang or latency applies to it, or until ctx ends. It locks
// mu.
func (st *state) wait(ctx context.Context, op Operation) error {
	st.mu.Lock()
	delay, hangs := max(st.latency[""], st.latency[op]), slices.Clone(st.hangs)
	st.mu.Unlock()
	for _, h := range hangs {
		if !matches(h.op, op) {
			continue
		}
		select {
		case <-h.released:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// takeFailure returns the failure that applies to call, or nil. It locks mu.
func (st *state) takeFailure(call Call) *Failure {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, f := range st.failures {
		if f.Times != 0 && matches(f.Operation, call.Operation) && matches(f.Path, call.Path) {
			f.Times = max(f.Times-1, -1)
			return f
		}
	}
	return nil
}

// write sends the failure as the response.
func (f *Failure) write(w http.ResponseWriter) {
	if f.Drop {
		panic(http.ErrAbortHandler) // closes the connection without a response
	}
	maps.Copy(w.Header(), f.Header)
	status, body := cmp.Or(f.Status, http.StatusInternalServerError), f.Body
	if body == nil {
		messages := f.Errors
		if messages == nil {
			messages = []string{"internal error"}
		}
		body = encode(errorBody{messages})
	}
	writeResponse(w, status, body)
}
