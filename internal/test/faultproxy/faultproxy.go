// Package faultproxy is a TCP proxy for tests. It stands on loopback between a
// client and a real server, and fails as a network, a dying server or a stranger
// on the port does.
//
// It knows nothing of the protocol that goes through it: with its first bytes a
// request meets the fault that is in force, and the first bytes that come back are
// the server's answer. What a fault says of its own is HTTP/1.1 and the same for
// every server, so that one more client to test is one more address to dial.
//
// The package imports no testing package.
package faultproxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// defaultDrip is a byte a second.
const defaultDrip = time.Second

// relisten is how long Set tries to listen again after Refuse.
const relisten = 5 * time.Second

// Options are the settings of a Proxy. The zero value is the default.
type Options struct {
	// DripEvery is the time between two bytes of Drip. Zero: 1 s.
	DripEvery time.Duration
}

// Counts tell what went through a Proxy. They count the connections of clients,
// not the proxy's own to the server.
type Counts struct {
	Accepted int // connections so far
	Open     int // connections that neither side has closed, as far as the proxy knows
	Struck   int // requests that met a fault instead of the server
}

// A Proxy forwards connections to one server and fails as it was last told. Its
// methods may be called at any time, from any goroutine.
type Proxy struct {
	target  string
	address string
	drip    time.Duration
	anchor  [2]net.Conn
	active  sync.WaitGroup // every goroutine

	mu       sync.Mutex
	fault    Fault
	lasting  context.Context // done when fault is lifted
	lift     context.CancelFunc
	listener net.Listener // nil while refusing and when closed
	clients  map[*client]struct{}
	counts   Counts
	closed   bool
}

// New returns a Proxy on a free port of 127.0.0.1 that forwards to target, a host
// and a port. Nil opts are the defaults. It fails only if there is no port to be
// had.
func New(target string, opts *Options) (*Proxy, error) {
	if opts == nil {
		opts = &Options{}
	}
	listener, err := listen("127.0.0.1:0")
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
	p.lasting, p.lift = context.WithCancel(context.Background())
	p.accept(listener)
	return p, nil
}

// Addr returns the proxy's host and port, which stay the same across Refuse.
func (p *Proxy) Addr() string { return p.address }

// URL returns the proxy's address as an endpoint: http://127.0.0.1:40123.
func (p *Proxy) URL() string { return "http://" + p.address }

// Counts returns the counts as they are now.
func (p *Proxy) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := p.counts
	counts.Open = len(p.clients)
	return counts
}

// Set makes the proxy fail in this way from the next request on, or not at all.
// Connections that met the fault before it are closed; kept ones that did not are
// left as they are, except where the fault is one of the whole server. It panics
// if the port was lost while the proxy refused connections.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.lift()
	p.fault = f
	p.lasting, p.lift = context.WithCancel(context.Background())
	if f == Refuse || f == HangBeforeRequest {
		p.hangUp()
	}
	switch {
	case f == Refuse:
		p.deafen()
	case p.listener == nil:
		listener, err := listenAgain(p.address)
		if err != nil {
			panic(fmt.Sprintf("faultproxy: %v", err))
		}
		p.accept(listener)
	}
}

// Close ends every connection and the proxy for good, and waits for its
// goroutines. Later calls do nothing.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.lift()
	p.hangUp()
	p.deafen()
	for _, end := range p.anchor {
		_ = end.Close()
	}
	p.mu.Unlock()
	p.active.Wait()
}

// hangUp closes the clients' connections. The caller holds mu.
func (p *Proxy) hangUp() {
	for c := range p.clients {
		_ = c.conn.Close()
	}
}

// deafen closes the listener. The caller holds mu.
func (p *Proxy) deafen() {
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
}

// accept takes connections from listener. The caller holds mu, or is New.
func (p *Proxy) accept(listener net.Listener) {
	p.listener = listener
	p.active.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.take(listener, conn)
		}
	})
}

// take serves conn, unless the proxy has stopped listening meanwhile.
func (p *Proxy) take(listener net.Listener, conn net.Conn) {
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

// now returns the fault in force, and a context that ends with it.
func (p *Proxy) now() (Fault, context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault, p.lasting
}

func (p *Proxy) noteStruck() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Struck++
}

func listen(address string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
}

func dial(address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(context.Background(), "tcp", address)
}

// connectTo returns both ends of a connection to listener. While they are open no
// other process is given the port, also when nobody listens on it.
func connectTo(listener net.Listener) (ends [2]net.Conn, err error) {
	if ends[0], err = dial(listener.Addr().String()); err != nil {
		return ends, err
	}
	if ends[1], err = listener.Accept(); err != nil {
		_ = ends[0].Close()
	}
	return ends, err
}

// listenAgain is patient with a system that still knows the listener before.
func listenAgain(address string) (net.Listener, error) {
	timeout := time.NewTimer(relisten)
	defer timeout.Stop()
	for {
		listener, err := listen(address)
		if err == nil {
			return listener, nil
		}
		select {
		case <-timeout.C:
			return nil, errors.New("cannot listen again: " + err.Error())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
