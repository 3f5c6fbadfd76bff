package extension

import (
	"context"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/hidden"
	"github.com/hush-secrets/hush/internal/http1"
)

// SetTokenFile replaces /var/run/awssmatoken by path.
func (p *Provider) SetTokenFile(path string) { p.tokens.file = path }

// SetDial makes p connect with dial.
func (p *Provider) SetDial(dial func() net.Conn) {
	p.transport = hidden.New(http1.New(http1.Options{
		Dial:      func(context.Context, *url.URL) (net.Conn, error) { return dial(), nil },
		MaxHeader: 64 << 10, MaxBody: maxBody, MaxIdle: 1, IdleTimeout: time.Second,
	}))
}

// Close closes the idle connections of p.
func (p *Provider) Close() { p.transport.Get().CloseIdleConnections() }

// SetClock replaces the clocks for the readiness of the server.
func (p *Provider) SetClock(now clock.Func) { p.ready.now = now }

// FailOnDial makes t fail if p connects.
func (p *Provider) FailOnDial(t *testing.T) {
	p.transport = hidden.New(http1.New(http1.Options{Dial: func(context.Context, *url.URL) (net.Conn, error) {
		t.Error("a dial")
		return nil, net.ErrClosed
	}}))
}
