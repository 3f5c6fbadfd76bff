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

// grace is how long Serve waits for requests under way when it is told to stop.
const grace = 10 * time.Second

// Serve serves h on l until ctx ends; it then takes no more connections, finishes
// the requests under way, for 10 s at most, and returns nil. It refuses a listener
// that is not TCP on a loopback address. It closes l in every case.
//
// It keeps 3,200 connections, which is four times DefaultMaxRequests. One more takes
// the place of one that waits for a request, and is closed if none does.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	if !onLoopback(l.Addr()) {
		_ = l.Close()
		return fmt.Errorf("agent: %s is not a loopback address: secrets are served to this machine alone", l.Addr())
	}
	r := &room{waiting: map[net.Conn]struct{}{}}
	server := &http.Server{
		Handler:   h,
		ConnState: r.note,
		// No ReadTimeout: net/http would cancel the request's context at its end.
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute, // longer than package extension keeps its own
		MaxHeaderBytes:    64 << 10,
		// net/http answers OPTIONS * itself, without asking for the token.
		DisableGeneralOptionsHandler: true,
		// net/http logs panics with their text, and a library does not print.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server.RegisterOnShutdown(r.clear)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("agent: %w", err)
	case <-ctx.Done():
		err := stop(server)
		if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
		return err
	}
}

func stop(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close()
		return errors.New("agent: requests still under way were cut off after " + grace.String())
	}
	return nil
}

// onLoopback asks for no type, so that a wrapped listener is understood.
func onLoopback(addr net.Addr) bool {
	to, err := netip.ParseAddrPort(addr.String())
	return err == nil && addr.Network() == "tcp" && to.Addr().Unmap().IsLoopback()
}
