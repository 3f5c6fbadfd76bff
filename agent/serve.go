package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"time"
)

const (
	// gracePeriod is how long Serve waits for requests in flight during a shutdown.
	gracePeriod = 10 * time.Second

	// headerTimeout limits the time for the first byte of a connection and for the headers
	// of a request. A connection without the token lasts at most twice as long.
	headerTimeout = 5 * time.Second

	// maxHeader is how many bytes net/http reads of the headers of a request, 4 KiB more
	// than MaxHeaderBytes. The longest token has 16 KiB. The longest name has 6 KiB if it
	// is escaped.
	maxHeader = 20<<10 + 4<<10

	// receiveBuffer is how many unread bytes of a connection the kernel buffers. Linux
	// doubles it.
	receiveBuffer = 16 << 10

	// defaultConns is the result of MaxConns if the process may open enough files.
	defaultConns = 4 * DefaultMaxRequests

	// reservedFiles are for other files than connections of clients and stores.
	reservedFiles = 64

	// minConns is the minimum of MaxConns.
	minConns = 16
)

// MaxConns returns how many connections Serve keeps open. The number is 3,200 if the
// process may open at least 6,464 files. Otherwise it is half of the files beyond 64,
// because each request may need a connection to a store.
func MaxConns() int {
	files := min(openFiles(), reservedFiles+2*defaultConns)
	return max(minConns, (int(files)-reservedFiles)/2)
}

// Serve serves h, which is a Handler or wraps one, on l until ctx ends. It then accepts no
// further connections, waits for the requests in flight, and returns nil. If they take
// longer than 10 s, Serve closes their connections and returns an error. Serve rejects a
// listener that is not TCP on a loopback address. It closes l in every case.
//
// These limits protect clients that have sent the token from clients that have not:
//
//   - Serve keeps at most MaxConns connections. For a further connection, it closes the
//     oldest one that has not sent the token and whose next bytes it is waiting for. If
//     there is none, it closes an idle connection that has sent the token. If there is
//     none either, the new connection waits.
//   - The connections that have not sent the token may together have sent 1 MiB of
//     requests. Each of them counts as 4 KiB more. Beyond this limit, Serve closes the
//     oldest of them that has sent an incomplete request.
//   - A request with more than 4 KiB of headers waits for shorter requests. Serve rejects
//     headers of more than 24 KiB.
//   - Serve waits 5 s for the first byte of a connection and 5 s for the headers of a
//     request. It closes a connection that is idle for a minute.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	if err := prepare(l); err != nil {
		return errors.Join(err, l.Close())
	}
	t := newConnTracker(MaxConns())
	server := newServer(h, t)
	served := make(chan error, 1)
	go func() { served <- server.Serve(newTrackedListener(l, t)) }()
	select {
	case err := <-served:
		t.drain()
		return fmt.Errorf("agent: %w", err)
	case <-ctx.Done():
		err := shutDown(server)
		if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
		return err
	}
}

// prepare checks the address of l and sets its receive buffer.
func prepare(l net.Listener) error {
	if !isLoopback(l.Addr()) {
		return fmt.Errorf("agent: invalid address %q: must be a loopback address, because other machines must not read secrets", l.Addr())
	}
	if err := limitReceiveBuffer(l); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("agent: set the receive buffer: %w", err)
	}
	return nil
}

func newServer(h http.Handler, t *connTracker) *http.Server {
	server := &http.Server{
		Handler:     h,
		ConnState:   onStateChange,
		ConnContext: contextWithConn,
		// There is no ReadTimeout, because net/http would then cancel the context of a
		// request whose response takes longer.
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       time.Minute, // longer than that of package extension
		MaxHeaderBytes:    maxHeader - 4<<10,
		// Otherwise, net/http would respond to OPTIONS * without a check of the token.
		DisableGeneralOptionsHandler: true,
		// net/http logs the text of panics, and a library does not print.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server.RegisterOnShutdown(t.drain)
	return server
}

func shutDown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), gracePeriod)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close()
		return fmt.Errorf("agent: requests were interrupted because they took longer than %v to finish", gracePeriod)
	}
	return nil
}

// isLoopback checks the address, not the type of the listener, so that a listener can be
// wrapped.
func isLoopback(addr net.Addr) bool {
	to, err := netip.ParseAddrPort(addr.String())
	return err == nil && addr.Network() == "tcp" && to.Addr().Unmap().IsLoopback()
}
