package vault

import "github.com/hush-secrets/hush/internal/clock"

// SetClock replaces the clocks that p reads.
func (p *Provider) SetClock(now clock.Func) { p.session.now = now }

// SetClock replaces the clocks that r reads.
func (r *Reader) SetClock(now clock.Func) { r.session.now = now }

// IdleCloser returns a function that closes the idle connections of p.
func IdleCloser(p *Provider) func() {
	return p.session.client.Get().CloneConfig().HttpClient.CloseIdleConnections
}
