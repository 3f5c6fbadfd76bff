package agent

import (
	"net"
	"net/http"
	"sync"
)

// maxConns is how many connections are kept.
const maxConns = 4 * DefaultMaxRequests

// A room counts the connections, and knows which of them wait for a request, so that
// nothing under way ends with them.
type room struct {
	mu      sync.Mutex
	open    int
	waiting map[net.Conn]struct{}
}

// note is an http.Server's ConnState.
func (r *room) note(conn net.Conn, state http.ConnState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch state {
	case http.StateNew:
		r.waiting[conn] = struct{}{}
		if r.open++; r.open > maxConns {
			r.makeRoom(conn)
		}
	case http.StateIdle:
		r.waiting[conn] = struct{}{}
	case http.StateActive:
		delete(r.waiting, conn)
	case http.StateClosed, http.StateHijacked:
		delete(r.waiting, conn)
		r.open--
	}
}

// makeRoom closes one that waits: one other than newest, if there is one.
func (r *room) makeRoom(newest net.Conn) {
	victim := newest
	for conn := range r.waiting {
		if victim = conn; victim != newest {
			break
		}
	}
	r.end(victim)
}

// clear closes all that wait, half a request included, which net/http would not
// answer any more, and for which its Shutdown waits 5 s.
func (r *room) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.waiting {
		r.end(conn)
	}
}

// end closes conn, of which net/http then learns.
func (r *room) end(conn net.Conn) {
	delete(r.waiting, conn)
	_ = conn.Close()
}
