// Package faultproxy provides a TCP proxy for tests. The proxy forwards connections of clients on
// loopback to a real server. It can fail like a network, like a server that dies, and like
// another process on the port.
//
// The proxy does not parse the protocol. The first bytes of a request meet the current
// fault, and the first bytes from the server are its response. A response that a fault
// makes up is HTTP/1.1 and the same for every server, so a test of another client only
// needs the address of its server.
//
// The package does not import the testing package.
package faultproxy

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hush-secrets/hush/internal/test/breakable"
)

const defaultDrip = time.Second

// Options configure a Proxy.
type Options struct {
	// DripEvery is the time between two bytes of Drip. Zero means 1 s.
	DripEvery time.Duration
}

// Counts are the counters of a Proxy. They include the connections of clients, but not
// those of the proxy to the server.
type Counts struct {
	Accepted int // connections so far
	Open     int // connections that the proxy knows to be open
	Failed   int // requests that met a fault instead of the server
}

// A Proxy forwards connections to one server, with the fault of the last Set. Its methods
// are safe for concurrent use.
type Proxy struct {
	target  string
	address string
	drip    time.Duration
	anchor  [2]net.Conn    // reserves the port
	active  sync.WaitGroup // all goroutines

	mu       sync.Mutex
	fault    Fault
	faultCtx context.Context // ends with fault
	endFault context.CancelFunc
	listener net.Listener // nil while the proxy refuses connections or is closed
	clients  map[*client]struct{}
	counts   Counts
	closed   bool
}

// New returns a Proxy on a free port of 127.0.0.1 that forwards to target, a host and a
// port. Nil opts means the defaults. New fails only if no port is free.
func New(target string, opts *Options) (*Proxy, error) {
	if opts == nil {
		opts = &Options{}
	}
	listener, err := breakable.Listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		target: target, address: listener.Addr().String(), drip: cmp.Or(opts.DripEvery, defaultDrip),
		clients: map[*client]struct{}{},
	}
	if p.anchor, err = connectTo(listener); err != nil {
		_ = listener.Close()
		return nil, err
	}
	p.faultCtx, p.endFault = context.WithCancel(context.Background())
	p.accept(listener)
	return p, nil
}

// Addr returns the proxy's host and port. They stay the same after Refuse.
func (p *Proxy) Addr() string { return p.address }

// URL returns the proxy's address as an endpoint, such as http://127.0.0.1:40123.
func (p *Proxy) URL() string { return "http://" + p.address }

// Counts returns the counters.
func (p *Proxy) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := p.counts
	counts.Open = len(p.clients)
	return counts
}

// Set sets the fault for the next requests. It closes the connections that met the fault
// before it. It leaves other kept connections open, unless f concerns the whole server. Set
// panics if another process took the port while the proxy refused connections.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.endFault()
	p.fault = f
	p.faultCtx, p.endFault = context.WithCancel(context.Background())
	if f == Refuse || f == HangBeforeRequest {
		p.closeClients()
	}
	switch {
	case f == Refuse:
		p.stopListening()
	case p.listener == nil:
		listener, err := breakable.Listen(p.address)
		if err != nil {
			panic(fmt.Sprintf("faultproxy: cannot listen again: %v", err))
		}
		p.accept(listener)
	}
}

// Close closes the proxy and all connections, and waits for its goroutines. A second Close
// does nothing.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.endFault()
	p.closeClients()
	p.stopListening()
	for _, end := range p.anchor {
		_ = end.Close()
	}
	p.mu.Unlock()
	p.active.Wait()
}

// closeClients closes the connections of clients. The caller holds mu.
func (p *Proxy) closeClients() {
	for c := range p.clients {
		_ = c.conn.Close()
	}
}

// stopListening closes the listener. The caller holds mu.
func (p *Proxy) stopListening() {
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
}

// accept starts to accept connections. The caller holds mu, or is New.
func (p *Proxy) accept(listener net.Listener) {
	p.listener = listener
	p.active.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.startClient(listener, conn)
		}
	})
}

// startClient serves conn, unless the proxy has stopped listening meanwhile.
func (p *Proxy) startClient(listener net.Listener, conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	tcp, ok := conn.(*net.TCPConn)
	if !ok || p.listener != listener {
		_ = conn.Close()
		return
	}
	c := &client{proxy: p, conn: tcp}
	p.clients[c] = struct{}{}
	p.counts.Accepted++
	p.active.Go(func() {
		defer p.drop(c)
		c.serve()
	})
}

func (p *Proxy) drop(c *client) {
	_ = c.conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.clients, c)
}

// currentFault returns the fault, and a context that ends with it.
func (p *Proxy) currentFault() (Fault, context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault, p.faultCtx
}

func (p *Proxy) noteFailed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Failed++
}

func dial(address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(context.Background(), "tcp", address)
}

// connectTo returns both ends of a connection to listener. While they are open, the system
// gives the port to no other process, even if the listener is closed.
func connectTo(listener net.Listener) (ends [2]net.Conn, err error) {
	if ends[0], err = dial(listener.Addr().String()); err != nil {
		return ends, err
	}
	if ends[1], err = listener.Accept(); err != nil {
		_ = ends[0].Close()
	}
	return ends, err
}
