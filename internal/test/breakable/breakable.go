// Package breakable is an HTTP server on a loopback port that can be killed, and
// comes back on the same port with all that it knew.
package breakable

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// A Server serves until Close, but while it is broken. Its methods may be called at
// any time, from any goroutine.
type Server struct {
	handler http.Handler
	tls     *tls.Config // nil: http
	address string

	mu       sync.Mutex
	listener net.Listener
	http     *http.Server // nil while broken
	served   sync.WaitGroup
	broken   int
	closed   bool
}

// Start listens on a free port of 127.0.0.1, with TLS if config is not nil. It fails
// only if there is no port to be had.
func Start(handler http.Handler, config *tls.Config) (*Server, error) {
	s := &Server{handler: handler, tls: config}
	listener, err := listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.address = listener.Addr().String()
	s.serve(listener)
	return s, nil
}

// Addr returns the host and port that the server listens on.
func (s *Server) Addr() string { return s.address }

// URL returns the server's address with its scheme. It stays the same across Break.
func (s *Server) URL() string {
	if s.tls != nil {
		return "https://" + s.address
	}
	return "http://" + s.address
}

// Break closes every connection and refuses new ones until restore is called, which
// listens on the same port again. restore panics if another process keeps the port.
func (s *Server) Break() (restore func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken++
	s.stop()
	return sync.OnceFunc(s.mend)
}

// Close ends every call and stops the server for good. Later calls do nothing.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.stop()
	s.mu.Unlock()
	s.served.Wait()
}

func (s *Server) mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken--
	if s.broken > 0 || s.closed {
		return
	}
	s.served.Wait() // the old listener must be gone
	listener, err := listenAgain(s.address)
	if err != nil {
		panic(fmt.Sprintf("breakable: cannot listen again: %v", err))
	}
	s.serve(listener)
}

// serve answers on listener. The caller holds mu, or is Start.
func (s *Server) serve(listener net.Listener) {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // a client that went away is no news
	}
	s.listener, s.http = listener, server
	if s.tls == nil {
		s.served.Go(func() { _ = server.Serve(listener) })
		return
	}
	server.TLSConfig = s.tls.Clone()
	s.served.Go(func() { _ = server.ServeTLS(listener, "", "") })
}

// stop closes the listener and every connection. The caller holds mu.
func (s *Server) stop() {
	if s.http == nil {
		return
	}
	// Both: the server may not have taken the listener up yet.
	_ = s.listener.Close()
	_ = s.http.Close()
	s.http = nil
}

// listenAgain waits for a moment for a port that an outgoing connection has taken.
func listenAgain(address string) (listener net.Listener, err error) {
	for range 100 {
		if listener, err = listen(address); err == nil {
			return listener, nil
		}
		<-time.After(20 * time.Millisecond)
	}
	return nil, err
}

func listen(address string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
}
