package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/hush-secrets/hush/agent"
)

// gcPercent makes the garbage collector run half as often as by default. It would run
// after every 2 MB, because the agent has little in memory and a request leaves 2 KB.
const gcPercent = 200

// serve answers on l until ctx ends or signals say so.
func (s *server) serve(ctx context.Context, l net.Listener, stdout, stderr io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	// Before the line that invites others to send signals.
	ends, hangups := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(ends, endings()...)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(ends)
	defer signal.Stop(hangups)

	served := make(chan error, 1)
	go func() { served <- agent.Serve(ctx, l, agent.Handler(s.named(), s.token.text, &s.options)) }()
	if _, err := fmt.Fprintf(stdout, "listening on http://%s\n", l.Addr()); err != nil {
		return fmt.Errorf("write the address: %w", err)
	}
	var first ending
	for {
		select {
		case err := <-served:
			return err
		case <-hangups:
			s.provider.Forget()
			_, _ = fmt.Fprintln(stderr, "hush: what was held in memory is forgotten")
		case s := <-ends: // ctx has ended by the first of them
			next := ending{s, time.Now()}
			switch {
			case first.signal == nil:
				first = next
				_, _ = fmt.Fprintln(stderr, "hush: finishing the requests under way; a second signal ends it at once")
			case !first.same(next):
				return fmt.Errorf("%w: a second signal, and requests under way were cut off", context.Canceled)
			}
		}
	}
}

// An ending is a signal that ends the agent.
type ending struct {
	signal os.Signal
	at     time.Time
}

// same reports whether next is e once more: who stops both a process and its group,
// as timeout(1) does, sends it twice.
func (e ending) same(next ending) bool {
	return next.signal == e.signal && next.at.Sub(e.at) < 100*time.Millisecond
}

const pingTimeout = 3 * time.Second

// ping asks the agent at addr whether it is healthy: a health check for an image
// that has nothing else.
func ping(ctx context.Context, addr string) error {
	addr, err := loopbackAddr(addr)
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/ping", http.NoBody)
	if err != nil {
		return usageError{errors.New("--addr is no address")}
	}
	transport := &http.Transport{DisableKeepAlives: true} // and no proxy
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("no agent answers: %w", err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("what answers is not a healthy agent (status %d)", response.StatusCode)
	}
	return nil
}
