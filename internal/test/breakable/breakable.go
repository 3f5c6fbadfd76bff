// Package breakable has an HTTP server on a loopback port that can break and recover on
// the same port.
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

// A Server serves until Close, except while it is broken. Its methods are safe for
// concurrent use.
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
// only if no port is free.
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

// Addr returns the host and port of the server.
func (s *Server) Addr() string { return s.address }

// URL returns the server's address with its scheme. It stays the same across Break.
func (s *Server) URL() string {
	if s.tls != nil {
		return "https://" + s.address
	}
	return "http://" + s.address
}

// Break closes every connection and refuses new ones until restore is called. restore
// listens on the same port again, and panics if another process keeps the port. A Server
// that is broken several times serves again after as many calls of restore.
func (s *Server) Break() (restore func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken++
	s.stop()
	return sync.OnceFunc(s.restore)
}

// Close ends all requests and stops the server. A second Close does nothing.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.stop()
	s.mu.Unlock()
	s.served.Wait()
}

func (s *Server) restore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken--
	if s.broken > 0 || s.closed {
		return
	}
	s.served.Wait() // until the old listener is closed
	listener, err := listenAgain(s.address)
	if err != nil {
		panic(fmt.Sprintf("breakable: cannot listen again: %v", err))
	}
	s.serve(listener)
}

// serve starts to serve on listener. The caller holds mu, or is Start.
func (s *Server) serve(listener net.Listener) {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // clients disconnect in tests
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
	// The server may not know the listener yet, so it is closed, too.
	_ = s.listener.Close()
	_ = s.http.Close()
	s.http = nil
}

// listenAgain listens on address. It waits for up to 2 s, because an outgoing connection
// may have the port.
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
