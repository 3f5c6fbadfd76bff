package agent

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// A trackedListener hands over connections that have sent a byte. Until then they cost a
// fifth of the memory that they would cost in net/http.
type trackedListener struct {
	net.Listener
	tracker *connTracker
	arrived chan struct{} // a connection has become ready
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

// run accepts connections until l is closed. If the process has no file descriptor left
// for one, another connection is closed.
func (l *trackedListener) run() {
	for {
		conn, err := l.Listener.Accept()
		switch {
		case outOfFiles(err) && l.tracker.evict():
		case err != nil:
			select {
			case l.failed <- err:
			case <-l.done:
				return
			}
		default:
			if c := l.tracker.track(conn); c != nil {
				go l.await(c)
			}
		}
	}
}

// await makes c ready once it has sent a byte.
func (l *trackedListener) await(c *trackedConn) {
	if c.awaitByte() != nil {
		c.end()
		return
	}
	select {
	case l.arrived <- struct{}{}:
	default: // Accept looks at all connections that are ready
	}
}

// Accept returns a connection that has sent a byte, once there is room for it.
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

// outOfFiles reports whether err means that no further file can be opened.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
