package vault

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/surrogate"
	"github.com/hush-secrets/hush/vault/internal/call"
	"github.com/hush-secrets/hush/vault/internal/route"
)

// get reads path. It logs in where that is needed, and once more after a 403. The
// body comes with an error, too, if Vault sent one.
func (s *session) get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	body, _, err := s.getAs(ctx, path, query)
	return body, err
}

// getAs is get, and says as whom. The second new login is for a token that was
// revoked before it could be used: one that lives is refused by policy.
func (s *session) getAs(ctx context.Context, path string, query url.Values) ([]byte, *login, error) {
	l, err := s.ready(ctx)
	if err != nil {
		return nil, nil, err
	}
	body, err := l.get(ctx, path, query)
	for range 2 {
		if !isForbidden(err) {
			break
		}
		route.SetStatus(ctx, 0) // it remains to be seen whether that is the last word
		next, again := s.again(ctx, l)
		if again != nil {
			return nil, nil, again
		}
		if next == l {
			break
		}
		l = next
		body, err = l.get(ctx, path, query)
	}
	if err == nil && s.read.Load() == nil && !strings.HasPrefix(path, "sys/") {
		s.read.Store(&path)
	}
	return body, l, err
}

func (l *login) get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	response, err := l.client.Get().Logical().ReadRawWithDataWithContext(ctx, path, query)
	if response == nil || response.Response == nil {
		return nil, err
	}
	defer response.Body.Close()
	body := route.Body(response.Response)
	if err != nil {
		return body, err
	}
	if err := surrogate.Check(body); err != nil {
		return nil, call.Fail(hush.ErrUnavailable, err)
	}
	return body, nil
}

// mount returns where the engine is. Vault is asked once, however many ask.
func (p *Provider) mount(ctx context.Context) (*mount, error) {
	if !p.ask {
		return p.told, nil
	}
	if m := p.found.Load(); m != nil {
		return m, nil
	}
	return p.asked(ctx).wait(ctx)
}

// asked returns the preflight that goes on, or that has succeeded since the caller
// looked.
func (p *Provider) asked(ctx context.Context) *work[*mount] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found.Load() == nil && !p.pending.pending(p.session.now()) {
		p.pending = begin(ctx, p.session.now, p.session.timeout, func(ctx context.Context) (*mount, error) {
			return call.Recover(ctx, p.preflight)
		})
	}
	return p.pending
}

// preflight asks which engine is mounted at the path, as Vault's own command line
// does.
func (p *Provider) preflight(ctx context.Context) (*mount, error) {
	body, err := p.session.get(ctx, "sys/internal/ui/mounts/"+p.told.path, nil)
	switch {
	case isForbidden(err):
		return nil, call.Fail(hush.ErrDenied, &APIError{Status: http.StatusForbidden, Mount: p.told.path, reason: "the token can read nothing at the mount " + p.told.path +
			", or there is none; if it may only not ask for the mount's version, set Options.KV"})
	case call.HasStatus(err, http.StatusNotFound): // which is not about the secret
		return nil, call.Failf(hush.ErrUnavailable, "Vault does not say what is mounted at %q (status 404): set Options.KV", p.told.path)
	case err != nil:
		return nil, err
	}
	var answer struct {
		Data struct {
			Path, Type string
			Options    struct{ Version string }
		}
	}
	if json.Unmarshal(body, &answer) != nil {
		return nil, errUnreadable
	}
	engine := &answer.Data
	if engine.Type != "kv" && engine.Type != "generic" {
		return nil, call.Failf(hush.ErrUnavailable, "what is mounted at %q is no KV engine: see NewReader", p.told.path)
	}
	path := strings.Trim(engine.Path, "/")
	folder, ok := strings.CutPrefix(p.told.path+"/", path+"/")
	if !ok || path == "" {
		return nil, errUnreadable
	}
	m := &mount{path: path, folder: strings.TrimSuffix(folder, "/"), version: 1}
	if engine.Options.Version == "2" {
		m.version = 2
	}
	p.found.Store(m)
	return m, nil
}
