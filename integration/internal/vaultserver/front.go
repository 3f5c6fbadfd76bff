package vaultserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// A front accepts the requests of a server and counts them. Its address stays the same when
// the listener or the handler changes.
type front struct {
	address string // host:port
	tls     *tls.Config

	mu      sync.Mutex
	handler http.Handler
	server  *http.Server // nil while the front does not listen
	served  chan struct{}
	conns   map[net.Conn]struct{}
	calls   map[call]int
	gate    chan struct{} // requests wait until it is closed; nil means no wait
}

type call struct{ path, namespace string }

func newFront(ctx context.Context, config *tls.Config) (*front, error) {
	f := &front{tls: config, conns: map[net.Conn]struct{}{}, calls: map[call]int{}}
	// The port is below those that systems give to outgoing connections. Otherwise a client
	// could get the port while the front does not listen, or even connect to itself.
	const first, ports, tries = 20000, 10000, 20
	offset := int(time.Now().UnixMicro() % ports)
	var lastErr error
	for i := range tries {
		f.address = fmt.Sprintf("127.0.0.1:%d", first+(offset+i)%ports)
		if lastErr = f.listen(ctx); lastErr == nil {
			return f, nil
		}
	}
	return nil, lastErr
}

// listen starts to accept connections.
func (f *front) listen(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.address)
	if err != nil {
		return fmt.Errorf("vaultserver: %w", err)
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(f.serve),
		ReadHeaderTimeout: time.Minute,
		ConnState:         f.track,
		TLSConfig:         f.tls,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	served := make(chan struct{})
	f.mu.Lock()
	f.server, f.served = server, served
	f.mu.Unlock()
	go func() {
		defer close(served)
		if f.tls != nil {
			_ = server.ServeTLS(listener, "", "")
			return
		}
		_ = server.Serve(listener)
	}()
	return nil
}

// close closes all connections and refuses new ones.
func (f *front) close() error {
	f.mu.Lock()
	server, served := f.server, f.served
	f.server = nil
	f.mu.Unlock()
	if server == nil {
		return errors.New("vaultserver: already stopped")
	}
	err := server.Close()
	<-served
	return err
}

func (f *front) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.calls[call{r.URL.Path, r.Header.Get("X-Vault-Namespace")}]++
	handler, gate := f.handler, f.gate
	f.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-r.Context().Done():
			return
		}
	}
	handler.ServeHTTP(w, r)
}

func (f *front) setHandler(handler http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handler = handler
}

func (f *front) track(conn net.Conn, state http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch state {
	case http.StateNew:
		f.conns[conn] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(f.conns, conn)
	default:
	}
}

func (f *front) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.conns)
}

func (f *front) count(match func(call) bool) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c, count := range f.calls {
		if match(c) {
			n += count
		}
	}
	return n
}

// hang makes requests wait until restore is called.
func (f *front) hang() (restore func()) {
	gate := make(chan struct{})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gate = gate
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.gate = nil
		close(gate)
	})
}
