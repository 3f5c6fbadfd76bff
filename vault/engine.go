package vault

import (
	"context"
	"encoding/json"
	"net/http"
	"path"
	"strings"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/internal/call"
)

// An engine is a KV engine: where it is mounted, and its version.
type engine struct {
	mount   string
	version int
	prefix  string // of each name, in a path of the HTTP API
}

// newEngine returns an engine that reads names below a folder of the mount.
func newEngine(mount, folder string, version int) *engine {
	e := &engine{mount: mount, version: version}
	if version == 2 {
		mount += "/data"
	}
	e.prefix = path.Join(mount, folder) + "/"
	return e
}

// engine returns the engine to read from. It asks Vault once for all callers.
func (p *Provider) engine(ctx context.Context) (*engine, error) {
	if p.configured.version != 0 {
		return p.configured, nil
	}
	if e := p.discovered.Load(); e != nil {
		return e, nil
	}
	return p.startDiscovery(ctx).wait(ctx)
}

// startDiscovery returns the discovery that is in flight, or the one that succeeded since
// the caller looked, or else starts one. It checks the flight before its result: a
// discovery stores its result before it ends.
func (p *Provider) startDiscovery(ctx context.Context) *flight[*engine] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.discovery.inFlight(p.session.now()) && p.discovered.Load() == nil {
		p.discovery = startFlight(ctx, p.session, p.discover, nil)
	}
	return p.discovery
}

// discover asks Vault which engine is mounted at the configured path. Vault's own command
// line uses the same endpoint.
func (p *Provider) discover(ctx context.Context) (*engine, error) {
	configured := p.configured.mount
	body, _, err := p.session.get(ctx, "sys/internal/ui/mounts/"+configured, nil)
	switch {
	case isForbidden(err):
		return nil, call.Fail(hush.ErrDenied, &APIError{
			Status: http.StatusForbidden, Mount: configured,
			reason: "the token can read nothing at the mount " + configured + ", or the mount does not exist; if the token must not read the mount's version, set the KV version (kv in a URL)",
		})
	case call.HasStatus(err, http.StatusNotFound): // the endpoint is missing, not the secret
		return nil, call.Failf(hush.ErrUnavailable, "Vault does not report the engine at %q (status 404): set the KV version", configured)
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
		return nil, call.Failf(hush.ErrUnavailable, "the engine at %q is not a KV engine: use a Reader, or the parameter mounts of a URL", configured)
	}
	mount := strings.Trim(found.Path, "/")
	folder, ok := strings.CutPrefix(configured+"/", mount+"/")
	if !ok || mount == "" {
		return nil, errUnreadable
	}
	version := 1
	if found.Options.Version == "2" {
		version = 2
	}
	e := newEngine(mount, folder, version)
	p.discovered.Store(e)
	return e, nil
}
