package vaulttest

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// What a server says to a token that it does not know and to one that it knows.
var (
	errNoToken = refuse(http.StatusForbidden, "permission denied")
	errInvalid = refuse(http.StatusForbidden, multiple("permission denied", "invalid token"))
	errDenied  = refuse(http.StatusForbidden, multiple("permission denied"))
)

// kinds are the paths below sys/ and auth/ that the server knows. A path that
// ends in a slash stands for what is below it.
var kinds = map[string]Operation{
	"sys/health":              Health,
	"sys/internal/ui/mounts/": Preflight,
	"auth/token/lookup-self":  Lookup,
	"auth/token/renew-self":   Renew,
	"auth/token/revoke-self":  Revoke,
	"sys/leases/renew":        RenewLease,
	"sys/leases/renew/":       RenewLease,
	"sys/leases/revoke":       RevokeLease,
	"sys/leases/revoke/":      RevokeLease,
	"sys/wrapping/lookup":     LookupWrap,
	"sys/wrapping/unwrap":     Unwrap,
}

func kindOf(method, path string) Operation {
	if kind, ok := kinds[path]; ok {
		return kind
	}
	for prefix, kind := range kinds {
		if strings.HasSuffix(prefix, "/") && strings.HasPrefix(path, prefix) {
			return kind
		}
	}
	switch {
	case strings.HasPrefix(path, "auth/") && strings.HasSuffix(path, "/login"):
		return Login
	case strings.HasPrefix(path, "auth/"), strings.HasPrefix(path, "sys/"), method != http.MethodGet:
		return Other
	}
	return Read
}

// serve answers one call. It takes mu.
func (st *store) serve(r *request) (*answer, *fault) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if r.Operation == Health {
		return st.health(), nil
	}
	if st.sealed {
		return nil, refuse(http.StatusServiceUnavailable, "Vault is sealed")
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
	if fault := st.admit(r); fault != nil {
		return nil, fault
	}
	defer st.spend(r.holder)
	return st.run(r)
}

// admit finds whose call it is and whether a policy lets it pass.
func (st *store) admit(r *request) *fault {
	if r.token == "" {
		return errNoToken
	}
	if _, ok := st.wraps[r.token]; ok { // good for one call, whatever it is
		delete(st.wraps, r.token)
		return errDenied
	}
	if r.holder = st.alive(r.token); r.holder == nil {
		return errInvalid
	}
	if r.Operation != Preflight && st.denies(r.holder, r.path) {
		st.spend(r.holder)
		return errDenied
	}
	return nil
}

// spend takes one use from a token that has few.
func (st *store) spend(holder *token) {
	if holder.uses == 0 {
		return
	}
	if holder.uses--; holder.uses == 0 {
		st.drop(holder)
	}
}

// run answers a call of a known token.
func (st *store) run(r *request) (*answer, *fault) {
	switch r.Operation {
	case Read:
		return st.read(r)
	case Preflight:
		return st.preflight(r)
	case Lookup:
		return st.lookupSelf(r)
	case Renew:
		return st.renewSelf(r)
	case Revoke:
		st.drop(r.holder)
		return nil, nil
	case RenewLease:
		return st.renewLease(r)
	case RevokeLease:
		return st.revokeLease(r)
	case Unwrap:
		return st.unwrap(r)
	}
	if found, _ := st.route(r.path); found != nil {
		return nil, refuse(http.StatusMethodNotAllowed, multiple("unsupported operation"))
	}
	return nil, refuse(http.StatusNotFound, `no handler for route "`+r.Path+`". route entry not found.`)
}

// read answers a GET below a mount.
func (st *store) read(r *request) (*answer, *fault) {
	found, rest := st.route(r.path)
	if found == nil {
		return nil, refuse(http.StatusNotFound, `no handler for route "`+r.Path+`". route entry not found.`)
	}
	switch found.engine {
	case KV1:
		return found.readKV1(rest)
	case KV2:
		return found.readKV2(rest, r.query, st.now())
	}
	return st.readLeased(r, found, rest)
}

// redirect takes mu.
func (st *store) redirect(address string) (restore func()) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.standby = append(st.standby, &address)
	return sync.OnceFunc(func() {
		st.mu.Lock()
		defer st.mu.Unlock()
		st.standby = slices.DeleteFunc(st.standby, func(held *string) bool { return held == &address })
	})
}

// elsewhere returns where a standby sends its callers; empty for an active or a
// sealed server. It takes mu.
func (st *store) elsewhere() string {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.sealed || len(st.standby) == 0 {
		return ""
	}
	return *st.standby[len(st.standby)-1]
}

func (st *store) health() *answer {
	status, standby := http.StatusOK, len(st.standby) > 0
	switch {
	case st.sealed:
		status = http.StatusServiceUnavailable
	case standby:
		status = http.StatusTooManyRequests
	}
	return &answer{status: status, bare: map[string]any{
		"initialized": true, "sealed": st.sealed, "standby": st.sealed || standby, "performance_standby": false,
		"replication_performance_mode": "disabled", "replication_dr_mode": "disabled", "enterprise": false,
		"server_time_utc": st.now().Unix(), "version": "1.21.4", "cluster_name": "vaulttest", "cluster_id": "vaulttest",
	}}
}
