package awsconf

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/hush-secrets/hush/internal/clock"
)

// A patient provider remembers for a moment that there were no credentials to be
// had, and lets their source rest.
type patient struct {
	next aws.CredentialsProvider
	now  clock.Func

	mu    sync.Mutex
	err   error // of the last call; nil if it succeeded
	until clock.Instant
}

var (
	_ aws.CredentialsProvider      = (*patient)(nil)
	_ aws.CredentialProviderSource = (*patient)(nil)
)

// Retrieve returns next's credentials, or the failure that it remembers. A
// caller's own end is no failure of the source.
func (p *patient) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if err := p.recent(); err != nil {
		return aws.Credentials{}, err
	}
	found, err := p.next.Retrieve(ctx)
	if err == nil || ctx.Err() == nil {
		p.note(err)
	}
	return found, err
}

// ProviderSources returns where next's credentials come from.
func (p *patient) ProviderSources() []aws.CredentialSource {
	if source, ok := p.next.(aws.CredentialProviderSource); ok {
		return source.ProviderSources()
	}
	return nil
}

func (p *patient) recent() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil || p.now().Reached(p.until) {
		return nil
	}
	return p.err
}

func (p *patient) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	p.until = p.now().Add(moment)
}
