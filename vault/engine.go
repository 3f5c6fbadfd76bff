package vault

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/internal/call"
)

// An engine is a KV engine: where it is mounted, and its version.
type engine struct {
	mount   string
	folder  string // below the mount, and above every name
	version int
}

// engine returns the engine to read from. It asks Vault once for all callers.
func (p *Provider) engine(ctx context.Context) (*engine, error) {
	if p.configured.version != 0 {
		return &p.configured, nil
	}
	if e := p.discovered.Load(); e != nil {
		return e, nil
	}
	return p.startDiscovery(ctx).wait(ctx)
}

// startDiscovery returns the discovery that is in flight, or the one that succeeded since
// the caller looked, or else starts one.
func (p *Provider) startDiscovery(ctx context.Context) *flight[*engine] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.discovered.Load() == nil && !p.discovery.inFlight(p.session.now()) {
		p.discovery = startFlight(ctx, p.session, p.discover, nil)
	}
	return p.discovery
}

// discover asks Vault which engine is mounted at the configured path. Vault's own command
// line uses the same endpoint.
func (p *Provider) discover(ctx context.Context) (*engine, error) {
	path := p.configured.mount
	body, _, err := p.session.get(ctx, "sys/internal/ui/mounts/"+path, nil)
	switch {
	case isForbidden(err):
		return nil, call.Fail(hush.ErrDenied, &APIError{
			Status: http.StatusForbidden, Mount: path,
			reason: "the token can read nothing at the mount " + path + ", or the mount does not exist; if the token must not read the mount's version, set the KV version (kv in a URL)",
		})
	case call.HasStatus(err, http.StatusNotFound): // the endpoint is missing, not the secret
		return nil, call.Failf(hush.ErrUnavailable, "Vault does not report the engine at %q (status 404): set the KV version", path)
	case err != nil:
		return nil, err
	}
	var response struct {
		Data struct {
			Path, Type string
			Options    struct{ Version string }
		}
	}
	if json.Unmarshal(body, &response) != nil {
		return nil, errUnreadable
	}
	found := &response.Data
	if found.Type != "kv" && found.Type != "generic" {
		return nil, call.Failf(hush.ErrUnavailable, "the engine at %q is not a KV engine: use a Reader, or the parameter mounts of a URL", path)
	}
	mount := strings.Trim(found.Path, "/")
	folder, ok := strings.CutPrefix(path+"/", mount+"/")
	if !ok || mount == "" {
		return nil, errUnreadable
	}
	e := &engine{mount: mount, folder: strings.TrimSuffix(folder, "/"), version: 1}
	if found.Options.Version == "2" {
		e.version = 2
	}
	p.discovered.Store(e)
	return e, nil
}
