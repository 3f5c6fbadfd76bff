package agent

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// A trackedListener accepts connections that have sent a byte. A connection needs a fifth of
// the memory that it would need in net/http until then.
type trackedListener struct {
	net.Listener
	tracker *connTracker
	arrived chan struct{} // receives a value if a connection becomes ready
	failed  chan error
	done    chan struct{}
	close   func() error
}

func newTrackedListener(l net.Listener, t *connTracker) *trackedListener {
	tracked := &trackedListener{
		Listener: l, tracker: t, arrived: make(chan struct{}, 1), failed: make(chan error), done: make(chan struct{}),
	}
	tracked.close = sync.OnceValue(func() error {
		close(tracked.done)
		return l.Close()
	})
	go tracked.run()
	return tracked
}

// run accepts connections until l is closed. If the process has no file descriptor left, it
// closes another connection.
func (l *trackedListener) run() {
	for {
		conn, err := l.Listener.Accept()
		switch {
		case outOfFiles(err) && l.tracker.evictOne():
		case err != nil:
			select {
			case l.failed <- err:
			case <-l.done:
				return
			}
		default:
			if c := l.tracker.track(conn); c != nil {
				go l.awaitFirstByte(c)
			}
		}
	}
}

// awaitFirstByte makes c ready once it has sent a byte.
func (l *trackedListener) awaitFirstByte(c *trackedConn) {
	if c.awaitFirstByte() != nil {
		c.end()
		return
	}
	select {
	case l.arrived <- struct{}{}:
	default: // Accept admits all connections that are ready
	}
}

// Accept returns a connection that has sent a byte, once the limit allows it.
func (l *trackedListener) Accept() (net.Conn, error) {
	for {
		if c := l.tracker.admit(); c != nil {
			return c, nil
		}
		select {
		case <-l.arrived:
		case err := <-l.failed:
			return nil, err
		case <-l.done:
			return nil, net.ErrClosed
		}
	}
}

// Close ends Accept.
func (l *trackedListener) Close() error { return l.close() }

// outOfFiles reports whether err means that there is no file descriptor left.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
