// Package agentserver has what every command that runs an agent needs: it finds the
// token, checks the address, the stores and the patterns, keeps the agent's own
// variables from clients, and serves until a signal arrives.
package agentserver

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
	"slices"
	"syscall"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/config"
)

// gcPercent halves the number of garbage collections. With the default, a collection
// would start after every 2 MB, because the heap is small and a request leaves 2 KB.
const gcPercent = 200

// A Server serves the secrets of a Provider by the agent's protocol.
type Server struct {
	Provider *config.Provider
	Token    string
	Options  agent.Options

	// Stop are the signals that stop the server. The caller cancels the context of Serve
	// when the first of them arrives.
	Stop []os.Signal
}

// Serve serves on listener until ctx ends, and then finishes the requests in flight. A
// second stop signal makes it return at once. SIGHUP clears the cache. Serve prints the
// address to stdout when it is ready for signals and requests.
func (s *Server) Serve(ctx context.Context, listener net.Listener, stdout, stderr io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	stops, hangups := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(stops, s.Stop...)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(stops)
	defer signal.Stop(hangups)

	served := make(chan error, 1)
	go func() { served <- agent.Serve(ctx, listener, agent.Handler(s.provider(), s.Token, &s.Options)) }()
	if _, err := fmt.Fprintf(stdout, "listening on http://%s\n", listener.Addr()); err != nil {
		return fmt.Errorf("write the address: %w", err)
	}
	var first stop
	for {
		select {
		case err := <-served:
			return err
		case <-hangups:
			s.Provider.Forget()
			_, _ = fmt.Fprintln(stderr, "hush: cleared the cache")
		case received := <-stops:
			next := stop{received, time.Now()}
			switch {
			case first.signal == nil:
				first = next
				_, _ = fmt.Fprintln(stderr, "hush: finishing the requests in flight; a second signal stops the agent at once")
			case !first.repeats(next):
				return fmt.Errorf("%w: a second signal stopped the agent; requests in flight were cut off", context.Canceled)
			}
		}
	}
}

// provider returns the provider that the handler calls. An envGuard needs the name in
// the client's request.
func (s *Server) provider() hush.Provider {
	isEnv := func(store config.OpenStore) bool { return store.Scheme == envScheme }
	if s.Options.Allow != nil && slices.ContainsFunc(s.Provider.Stores(), isEnv) {
		return requestNamer{s.Provider}
	}
	return s.Provider
}

// A stop is a received stop signal.
type stop struct {
	signal os.Signal
	at     time.Time
}

// repeats reports whether next is the same stop, delivered twice. timeout(1), for
// example, signals both the process and its group.
func (s stop) repeats(next stop) bool {
	return next.signal == s.signal && next.at.Sub(s.at) < 100*time.Millisecond
}

const pingTimeout = 3 * time.Second

// Ping returns an error unless the agent at addr is healthy. addr is a result of
// LoopbackAddr.
func Ping(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/ping", http.NoBody)
	if err != nil {
		return errors.New("the address is not valid")
	}
	transport := &http.Transport{DisableKeepAlives: true} // without a proxy
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("no agent responds: %w", err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the server is not a healthy agent (status %d)", response.StatusCode)
	}
	return nil
}
