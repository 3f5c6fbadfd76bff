package extension

import (
	"context"
	"net"
	"net/url"
	"testing"

	"github.com/hush-secrets/hush/internal/http1"
)

// SetTokenFile makes path stand for /var/run/awssmatoken.
func (p *Provider) SetTokenFile(path string) { p.tokens.file = path }

// FailOnDial makes every dial of p's fail t.
func (p *Provider) FailOnDial(t *testing.T) {
	p.transport = http1.New(http1.Options{Dial: func(context.Context, *url.URL) (net.Conn, error) {
		t.Error("a dial")
		return nil, net.ErrClosed
	}})
}
