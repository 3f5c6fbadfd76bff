package vaulttest

import (
	"fmt"
	"net/http"
	"strings"
)

// The errors for a token that is missing, unknown or not allowed to do something.
var (
	errMissingToken = newError(http.StatusForbidden, "permission denied")
	errInvalidToken = newError(http.StatusForbidden, errorList("permission denied", "invalid token"))
	errDenied       = newError(http.StatusForbidden, errorList("permission denied"))
)

// serve performs a request. It locks mu.
func (st *state) serve(r *request) (*response, *apiError) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if r.Operation == Health {
		return st.health(), nil
	}
	if st.seals > 0 {
		return nil, newError(http.StatusServiceUnavailable, "Vault is sealed")
	}
	switch r.Operation {
	case Login:
		return st.login(r)
	case LookupWrap:
		return st.lookupWrap(r)
	case Unwrap:
		if _, ok := st.wraps[r.token]; ok || r.body["token"] == nil {
			return st.unwrap(r)
		}
	}
	if fault := st.authorize(r); fault != nil {
		return nil, fault
	}
	defer st.consumeUse(r.holder)
	return st.perform(r)
}

// health responds to sys/health.
func (st *state) health() *response {
	sealed, status := st.seals > 0, http.StatusOK
	if sealed {
		status = http.StatusServiceUnavailable
	}
	return &response{status: status, body: map[string]any{
		"initialized": true, "sealed": sealed, "standby": sealed, "performance_standby": false,
		"replication_performance_mode": "disabled", "replication_dr_mode": "disabled", "enterprise": false,
		"server_time_utc": st.now().Unix(), "version": "1.21.4", "cluster_name": "vaulttest", "cluster_id": "vaulttest",
	}}
}

// authorize sets the holder of the request's token, and checks the policies.
func (st *state) authorize(r *request) *apiError {
	if r.token == "" {
		return errMissingToken
	}
	if _, ok := st.wraps[r.token]; ok { // a wrapping token is valid for one request
		delete(st.wraps, r.token)
		return errDenied
	}
	if r.holder = st.lookup(r.token); r.holder == nil {
		return errInvalidToken
	}
	if r.Operation != Preflight && st.denies(r.holder, r.path) {
		st.consumeUse(r.holder)
		return errDenied
	}
	return nil
}

// perform performs an authorized request.
func (st *state) perform(r *request) (*response, *apiError) {
	m, path := st.route(r.path)
	switch r.Operation {
	case Preflight:
		return st.preflight(r)
	case Lookup:
		return st.lookupSelf(r), nil
	case Renew:
		return st.renewSelf(r)
	case Revoke:
		st.revokeToken(r.holder)
		return nil, nil
	case RenewLease:
		return st.renewLease(r)
	case RevokeLease:
		return st.revokeLease(r)
	case Unwrap:
		return st.unwrap(r)
	}
	switch {
	case m == nil:
		return nil, newError(http.StatusNotFound, `no handler for route "`+r.Path+`". route entry not found.`)
	case r.Operation != Read:
		return nil, newError(http.StatusMethodNotAllowed, errorList("unsupported operation"))
	case m.engine == KV1:
		return m.readKV1(path)
	case m.engine == KV2:
		return m.readKV2(path, r.query, st.now())
	}
	return st.readLeased(r, m, path)
}

// preflight responds to sys/internal/ui/mounts/<path>: it describes the mount to a token
// that may read below it.
func (st *state) preflight(r *request) (*response, *apiError) {
	path := strings.TrimPrefix(r.Path, "sys/internal/ui/mounts/")
	m, _ := st.route(inNamespace(r.Namespace, path))
	if m == nil || st.denies(r.holder, r.path) || st.denies(r.holder, m.path+"/") {
		return nil, newError(http.StatusForbidden, fmt.Sprintf(
			"preflight capability check returned 403, please ensure client's policies grant access to path %q", strings.Trim(path, "/")+"/"))
	}
	kind, options := string(m.engine), map[string]string{}
	switch m.engine {
	case KV1:
		kind, options["version"] = "kv", "1"
	case KV2:
		kind, options["version"] = "kv", "2"
	}
	ttl := seconds(defaultTTL)
	return &response{Data: map[string]any{
		"accessor": kind + "_6c52069e", "description": "", "external_entropy_access": false, "local": false,
		"config":  map[string]any{"default_lease_ttl": ttl, "max_lease_ttl": ttl, "force_no_cache": false},
		"options": options, "path": strings.TrimPrefix(m.path, inNamespace(r.Namespace, "")) + "/",
		"plugin_version": "", "running_sha256": "", "seal_wrap": false, "type": kind, "uuid": newUUID(),
	}}, nil
}
