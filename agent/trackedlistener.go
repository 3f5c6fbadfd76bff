package agent

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// A trackedListener hands over connections that have sent a byte. Until then they cost
// a fifth of the memory that they would cost in net/http.
type trackedListener struct {
	net.Listener
	tracker *connTracker
	ready   chan *trackedConn
	failed  chan error
	done    chan struct{}
	close   func() error
}

func newTrackedListener(l net.Listener, t *connTracker) *trackedListener {
	tracked := &trackedListener{
		Listener: l, tracker: t, ready: make(chan *trackedConn), failed: make(chan error), done: make(chan struct{}),
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

// await hands c over once it has sent a byte.
func (l *trackedListener) await(c *trackedConn) {
	if c.awaitByte() != nil {
		c.end()
		return
	}
	select {
	case l.ready <- c:
	case <-l.done:
		c.end()
	}
}

// Accept returns the next connection that has sent a byte.
func (l *trackedListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept, and closes the connections that have not been handed over.
func (l *trackedListener) Close() error { return l.close() }

// outOfFiles reports whether err means that no further file can be opened.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
