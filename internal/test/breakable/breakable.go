// Package breakable provides an HTTP server on a loopback port that a test can stop and
// start again on the same port.
package breakable

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// A Server is an HTTP server. Its methods are safe for concurrent use.
type Server struct {
	handler http.Handler
	address string

	mu       sync.Mutex
	listener net.Listener
	http     *http.Server // nil while stopped
	serving  sync.WaitGroup
	breaks   int // number of active calls of Break
	closed   bool
}

// Start starts a server on a free port of 127.0.0.1. It fails only if it cannot listen.
func Start(handler http.Handler) (*Server, error) {
	s := &Server{handler: handler}
	listener, err := Listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.address = listener.Addr().String()
	s.serve(listener)
	return s, nil
}

// Addr returns the host and port that the server listens on. Break does not change it.
func (s *Server) Addr() string { return s.address }

// URL returns the URL of Addr.
func (s *Server) URL() string { return "http://" + s.address }

// Break closes all connections and refuses new ones, until restore is called. restore
// listens on the same port again, and panics if another process uses the port. After
// several calls of Break, the server serves again once all their restores are called.
func (s *Server) Break() (restore func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breaks++
	s.stop()
	return sync.OnceFunc(s.restore)
}

// Close closes all connections and stops the server. Later calls do nothing.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.stop()
	s.mu.Unlock()
	s.serving.Wait()
}

func (s *Server) restore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breaks--
	if s.breaks > 0 || s.closed {
		return
	}
	s.serving.Wait() // until the previous listener is closed
	listener, err := Listen(s.address)
	if err != nil {
		panic(fmt.Sprintf("breakable: cannot listen again: %v", err))
	}
	s.serve(listener)
}

// serve accepts connections from listener. The caller holds mu, or is Start.
func (s *Server) serve(listener net.Listener) {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // a closed client connection is not an error
	}
	s.listener, s.http = listener, server
	s.serving.Go(func() { _ = server.Serve(listener) })
}

// stop closes the listener and all connections. The caller holds mu.
func (s *Server) stop() {
	if s.http == nil {
		return
	}
	_ = s.listener.Close() // http.Server closes it only after Serve has started
	_ = s.http.Close()
	s.http = nil
}

// Listen listens on a TCP address. It retries for 5 s, because the previous listener or an
// outgoing connection may use the port.
func Listen(address string) (listener net.Listener, err error) {
	for range 250 {
		if listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", address); err == nil {
			return listener, nil
		}
		<-time.After(20 * time.Millisecond)
	}
	return nil, err
}
