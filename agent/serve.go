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

// gracePeriod is how long Serve waits for requests in flight when it is told to stop.
const gracePeriod = 10 * time.Second

// headerTimeout is how long a connection's first byte and a request's headers may take.
// Twice that is the time that a connection lasts without having shown the token.
const headerTimeout = 5 * time.Second

// maxHeader is how many bytes of a request net/http reads before its body: 4 KiB more
// than it is told. The longest token has 16 KiB, and the longest name, escaped, 6 KiB.
const maxHeader = 20<<10 + 4<<10

// receiveBuffer is how many bytes of a connection the kernel keeps; Linux keeps twice
// as many.
const receiveBuffer = 16 << 10

const (
	// defaultConns is what MaxConns returns if the process may open enough files.
	defaultConns = 4 * DefaultMaxRequests

	// reservedFiles are for what is neither a connection nor a request's call to a store.
	reservedFiles = 64

	// minConns is what MaxConns returns at least.
	minConns = 16
)

// MaxConns returns how many connections Serve keeps open: 3,200, or fewer if this
// process may open fewer than 6,464 files. It is then half of the files beyond 64,
// because each request may need a connection to a store.
func MaxConns() int {
	files := min(openFiles(), reservedFiles+2*defaultConns)
	return max(minConns, (int(files)-reservedFiles)/2)
}

// Serve serves h, a Handler or a handler around one, on l until ctx ends. It then
// accepts no more connections, finishes the requests in flight, for 10 s at most, and
// returns nil. Serve refuses a listener that is not TCP on a loopback address. It
// closes l in every case.
//
// Serve keeps at most MaxConns connections. For one more, it closes the oldest one that
// has not shown the token and that it waits for, or else an idle one that has; if there
// is neither, the new one waits. Connections that have not shown the token may have sent
// 1 MiB of requests, all of them together, and 4 KiB are counted in addition for each;
// beyond that, Serve closes the oldest of them that has sent only a part of a request.
// Requests with more than 4 KiB of headers wait for shorter ones. Serve waits 5 s for the
// first byte of a connection and 5 s for the headers of a request, which have at most
// 24 KiB, and closes a connection that is idle for a minute.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	err := checkListener(l)
	if err != nil {
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
		err := stop(server)
		if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
		return err
	}
}

// checkListener makes l ready, or returns why it cannot be served.
func checkListener(l net.Listener) error {
	if !onLoopback(l.Addr()) {
		return fmt.Errorf("agent: %s is not a loopback address: secrets are served to this machine alone", l.Addr())
	}
	if err := limitReceiveBuffer(l); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("agent: limit the receive buffer: %w", err)
	}
	return nil
}

func newServer(h http.Handler, t *connTracker) *http.Server {
	server := &http.Server{
		Handler:     h,
		ConnState:   noteState,
		ConnContext: withConn,
		// No ReadTimeout: net/http would cancel the request's context at its end.
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       time.Minute, // longer than package extension keeps its own
		MaxHeaderBytes:    maxHeader - 4<<10,
		// net/http would respond to OPTIONS * itself, without a look at the token.
		DisableGeneralOptionsHandler: true,
		// net/http logs panics with their text, and a library does not print.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server.RegisterOnShutdown(t.drain)
	return server
}

func stop(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), gracePeriod)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close()
		return errors.New("agent: requests still in flight were cut off after " + gracePeriod.String())
	}
	return nil
}

// onLoopback looks at the address only, so that a wrapped listener is allowed.
func onLoopback(addr net.Addr) bool {
	to, err := netip.ParseAddrPort(addr.String())
	return err == nil && addr.Network() == "tcp" && to.Addr().Unmap().IsLoopback()
}
