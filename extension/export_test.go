package extension

import (
	"context"
	"net"
	"testing"
)

// SetTokenFile makes path stand for /var/run/awssmatoken.
func (p *Provider) SetTokenFile(path string) { p.tokens.file = path }

// FailOnDial makes every dial of p's fail t.
func (p *Provider) FailOnDial(t *testing.T) {
	p.transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		t.Error("a dial")
		return nil, net.ErrClosed
	}
}
