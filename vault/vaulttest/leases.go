package vaulttest

import (
	"maps"
	"time"
)

// LeaseOptions are the settings of a role of an engine that leases. The zero
// value leases renewably, for Vault's default of 768 hours.
type LeaseOptions struct {
	// TTL is how long a lease is, and what a renewal without an increment gives it
	// again. Whole seconds. Zero: 768 hours.
	TTL time.Duration

	// MaxTTL is when a lease ends for all renewals, counted from its issue. Zero:
	// 768 hours.
	MaxTTL time.Duration

	// NotRenewable refuses renewals.
	NotRenewable bool

	// NoLease answers without a lease, as a role of static credentials does.
	NoLease bool

	// Data, if not nil, is what the n-th answer of the role has, counted from 1.
	// Else it is a fresh username and password, or for AWS access_key, secret_key
	// and security_token. It must not call the Server.
	Data func(n int) map[string]any

	given int
}

// A Lease is one that the server has given and that has not ended.
type Lease struct {
	ID      string
	Path    string // that was read
	Data    map[string]any
	Token   string // Fingerprint of the token that asked for it
	Issued  time.Time
	Expires time.Time
}

type lease struct {
	id, path  string
	holder    *token
	data      map[string]any
	issued    time.Time
	expires   time.Time
	ttl       time.Duration
	last      time.Time // that expires can be
	renewable bool
}

// LeaseRole makes role a role of mount, whose engine leases: GET <mount>/creds/<role>
// gives a new lease each time. nil Options are the defaults. It replaces the role
// of that name.
func (s *Server) LeaseRole(mount, role string, opts *LeaseOptions) {
	if opts == nil {
		opts = &LeaseOptions{}
	}
	kept := *opts
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	s.store.Get().mounted(mount, Database, AWS).roles[role] = &kept
}

// Leases returns the leases that live, in no order.
func (s *Server) Leases() []Lease {
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	s.store.Get().sweep()
	var live []Lease
	for _, l := range s.store.Get().leases {
		live = append(live, Lease{l.id, l.path, maps.Clone(l.data), Fingerprint(l.holder.id), l.issued, l.expires})
	}
	return live
}

// RevokeLease ends the lease with that id, if there is one.
func (s *Server) RevokeLease(id string) {
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	s.store.Get().end(id)
}

// grant gives holder a lease of what path asked for.
func (st *store) grant(path string, holder *token, opts *LeaseOptions, data map[string]any) *lease {
	made := &lease{
		id: path + "/" + random(24), path: path, holder: holder, data: data,
		issued: st.now(), ttl: firstOf(opts.TTL, defaultTTL), renewable: !opts.NotRenewable,
	}
	made.last = made.issued.Add(firstOf(opts.MaxTTL, defaultTTL))
	made.extend(made.issued, 0)
	st.leases[made.id] = made
	st.counts.LeasesIssued++
	return made
}

// extend gives the lease increment, or without one its time to live, from now on,
// within what its end allows.
func (l *lease) extend(now time.Time, increment time.Duration) (granted time.Duration) {
	granted = min(firstOf(increment, l.ttl), l.last.Sub(now))
	l.expires = now.Add(granted)
	return granted
}

func (st *store) end(id string) {
	if st.leases[id] != nil {
		delete(st.leases, id)
		st.counts.LeasesRevoked++
	}
}

// credentials returns the next answer of a role.
func (m *mount) credentials(role string, opts *LeaseOptions) map[string]any {
	opts.given++
	switch {
	case opts.Data != nil:
		return opts.Data(opts.given)
	case m.engine == AWS:
		return map[string]any{"access_key": "AKIA" + random(16), "secret_key": random(40), "security_token": nil}
	}
	return map[string]any{"username": "v-token-" + role + "-" + random(20), "password": random(20)}
}
