package vaulttest

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

// LeaseOptions are the settings of a role with leased credentials. The zero value means
// renewable leases with Vault's default TTL.
type LeaseOptions struct {
	// TTL is the TTL of a lease, in whole seconds. A renewal without an increment starts
	// it again. Zero means 768 h.
	TTL time.Duration

	// MaxTTL is the time from issue after which a lease cannot be renewed. Zero means
	// 768 h.
	MaxTTL time.Duration

	// NotRenewable makes renewals fail.
	NotRenewable bool

	// NoLease makes the role return credentials without a lease, like a static role.
	NoLease bool

	// Data returns the data of the role's n-th response, starting at 1. Nil means random
	// credentials: username and password, or access_key, secret_key and security_token for
	// AWS. Data must not call the Server.
	Data func(n int) map[string]any
}

// A Lease is an active lease.
type Lease struct {
	ID      string
	Path    string // the path that was read
	Data    map[string]any
	Token   string // Fingerprint of the token that read the path
	Issued  time.Time
	Expires time.Time
}

type lease struct {
	Lease
	holder     *token
	ttl        time.Duration
	maxExpires time.Time
	renewable  bool
}

type leaseRole struct {
	LeaseOptions
	responses int
}

// LeaseRole adds a role to mount, which must be Database or AWS. Each GET of
// <mount>/creds/<role> returns new credentials with a lease. Nil opts means the defaults.
// LeaseRole replaces an existing role.
func (s *Server) LeaseRole(mount, role string, opts *LeaseOptions) {
	st := s.lock()
	defer st.mu.Unlock()
	st.mounted(mount, Database, AWS).roles[role] = &leaseRole{LeaseOptions: valueOf(opts)}
}

// Leases returns the active leases, unordered.
func (s *Server) Leases() []Lease {
	st := s.lock()
	defer st.mu.Unlock()
	st.expire()
	var active []Lease
	for _, l := range st.leases {
		active = append(active, l.Lease)
		active[len(active)-1].Data = maps.Clone(l.Data)
	}
	return active
}

// RevokeLease revokes the lease with the given ID, if it is active.
func (s *Server) RevokeLease(id string) {
	st := s.lock()
	defer st.mu.Unlock()
	st.revoke(id)
}

func (st *state) revoke(id string) {
	if st.leases[id] != nil {
		delete(st.leases, id)
		st.counts.LeasesRevoked++
	}
}

// expire removes expired tokens and leases.
func (st *state) expire() {
	for id := range st.tokens {
		st.lookup(id)
	}
	now := st.now()
	for id, l := range st.leases {
		if !now.Before(l.Expires) {
			delete(st.leases, id)
			st.counts.LeasesExpired++
		}
	}
}

// readLeased responds to GET <mount>/creds/<role> and, for AWS, GET <mount>/sts/<role>.
func (st *state) readLeased(r *request, m *mount, path string) (*response, *apiError) {
	kind, name, _ := strings.Cut(path, "/")
	if kind != "creds" && (kind != "sts" || m.engine != AWS) || name == "" {
		return nil, newError(http.StatusNotFound, errorList("unsupported path"))
	}
	role := m.roles[name]
	if role == nil && m.engine == AWS {
		return nil, newError(http.StatusBadRequest, fmt.Sprintf("Role %q not found", name))
	}
	if role == nil {
		return nil, newError(http.StatusBadRequest, "unknown role: "+name)
	}
	data := role.credentials(m.engine, name)
	resp := &response{Data: data, MountType: string(m.engine)}
	if !role.NoLease {
		l := st.issueLease(r, role, data)
		resp.LeaseID, resp.LeaseDuration, resp.Renewable = l.ID, seconds(l.Expires.Sub(l.Issued)), l.renewable
	}
	return resp, nil
}

// credentials returns the data of the role's next response.
func (role *leaseRole) credentials(engine Engine, name string) map[string]any {
	role.responses++
	switch {
	case role.Data != nil:
		return role.Data(role.responses)
	case engine == AWS:
		return map[string]any{"access_key": "AKIA" + rand.Text()[:16], "secret_key": rand.Text(), "security_token": nil}
	}
	return map[string]any{"username": "v-token-" + name + "-" + rand.Text(), "password": rand.Text()}
}

func (st *state) issueLease(r *request, role *leaseRole, data map[string]any) *lease {
	now := st.now()
	l := &lease{
		Lease:  Lease{ID: r.Path + "/" + rand.Text()[:24], Path: r.Path, Data: data, Token: r.Token, Issued: now},
		holder: r.holder, ttl: cmp.Or(role.TTL, defaultTTL), maxExpires: now.Add(cmp.Or(role.MaxTTL, defaultTTL)), renewable: !role.NotRenewable,
	}
	l.extend(now, 0)
	st.leases[l.ID] = l
	st.counts.LeasesIssued++
	return l
}

// extend sets the expiry to increment from now, within the maximum TTL, and returns the new
// TTL. A zero increment means the TTL of the role.
func (l *lease) extend(now time.Time, increment time.Duration) (ttl time.Duration) {
	ttl = min(cmp.Or(increment, l.ttl), l.maxExpires.Sub(now))
	l.Expires = now.Add(ttl)
	return ttl
}

// leaseID returns the ID in the path below prefix, or in the body.
func (r *request) leaseID(prefix string) (string, *apiError) {
	id, ok := strings.CutPrefix(r.Path, prefix+"/")
	if !ok {
		id = r.text("lease_id")
	}
	if id == "" {
		return "", newError(http.StatusBadRequest, "lease_id must be specified")
	}
	return id, nil
}

// renewLease responds to sys/leases/renew.
func (st *state) renewLease(r *request) (*response, *apiError) {
	st.expire()
	id, fault := r.leaseID("sys/leases/renew")
	if fault != nil {
		return nil, fault
	}
	l := st.leases[id]
	switch {
	case l == nil:
		return nil, newError(http.StatusBadRequest, "lease not found")
	case !l.renewable:
		return nil, newError(http.StatusBadRequest, "lease is not renewable")
	}
	increment := parseDuration(r.body["increment"])
	ttl := l.extend(st.now(), increment)
	st.counts.LeasesRenewed++
	return &response{LeaseID: id, Renewable: true, LeaseDuration: seconds(ttl), Warnings: ttlWarnings(increment, ttl), MountType: "system"}, nil
}

// revokeLease responds to sys/leases/revoke.
func (st *state) revokeLease(r *request) (*response, *apiError) {
	st.expire()
	id, fault := r.leaseID("sys/leases/revoke")
	if fault != nil {
		return nil, fault
	}
	st.revoke(id)
	return nil, nil
}

// ttlWarnings returns Vault's warning about a TTL shorter than the requested increment.
func ttlWarnings(increment, ttl time.Duration) []string {
	if increment <= ttl {
		return nil
	}
	return []string{fmt.Sprintf("TTL of %q exceeded the effective max_ttl; TTL value is capped accordingly", increment)}
}
