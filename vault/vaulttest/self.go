package vaulttest

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// lookupSelf answers what a token is.
func (st *store) lookupSelf(r *request) (*answer, *fault) {
	held := r.holder
	data := map[string]any{
		"accessor": held.accessor, "creation_time": held.issued.Unix(), "creation_ttl": seconds(held.ttl),
		"display_name": "token", "entity_id": "", "expire_time": nil, "explicit_max_ttl": seconds(held.opts.MaxTTL), "id": held.id,
		"meta": held.meta, "num_uses": held.uses, "orphan": held.login || held.root(), "path": held.path,
		"policies": held.policies, "ttl": 0, "type": "service",
	}
	if !held.expires.IsZero() {
		data["expire_time"], data["issue_time"] = stamp(held.expires), stamp(held.issued)
		data["ttl"], data["renewable"] = seconds(held.expires.Sub(st.now())), !held.opts.NotRenewable
	}
	if held.opts.Period > 0 {
		data["period"] = seconds(held.opts.Period)
	}
	return &answer{Data: data, MountType: "token"}, nil
}

type auth struct {
	ClientToken    string            `json:"client_token"`
	Accessor       string            `json:"accessor"`
	Policies       []string          `json:"policies"`
	TokenPolicies  []string          `json:"token_policies"`
	Metadata       map[string]string `json:"metadata"`
	LeaseDuration  int               `json:"lease_duration"`
	Renewable      bool              `json:"renewable"`
	EntityID       string            `json:"entity_id"`
	TokenType      string            `json:"token_type"`
	Orphan         bool              `json:"orphan"`
	MFARequirement any               `json:"mfa_requirement"`
	NumUses        int               `json:"num_uses"`
}

// auth is how a login or a renewal shows a token that has this long to live.
func (t *token) auth(left time.Duration) *auth {
	return &auth{
		ClientToken: t.id, Accessor: t.accessor, Policies: t.policies, TokenPolicies: t.policies, Metadata: t.meta,
		LeaseDuration: seconds(left), Renewable: !t.opts.NotRenewable, TokenType: "service", Orphan: t.login, NumUses: t.uses,
	}
}

func (st *store) renewSelf(r *request) (*answer, *fault) {
	held, increment := r.holder, r.duration("increment")
	if held.expires.IsZero() {
		return nil, refuse(http.StatusBadRequest, "invalid lease ID")
	}
	if held.opts.NotRenewable {
		return nil, refuse(http.StatusBadRequest, "lease is not renewable")
	}
	granted := held.extend(st.now(), increment)
	st.counts.TokensRenewed++
	said := &answer{Auth: held.auth(granted), MountType: "token"}
	if held.opts.Period == 0 {
		said.Warnings = capped(increment, granted)
	}
	return said, nil
}

// capped is Vault's warning that less was granted than asked for.
func capped(asked, granted time.Duration) []string {
	if asked <= granted {
		return nil
	}
	return []string{fmt.Sprintf("TTL of %q exceeded the effective max_ttl; TTL value is capped accordingly", asked)}
}

// leaseID returns the lease that a call below sys/leases/ is for.
func (r *request) leaseID(prefix string) string {
	if id, ok := strings.CutPrefix(r.Path, prefix+"/"); ok {
		return id
	}
	return r.text("lease_id")
}

func (st *store) renewLease(r *request) (*answer, *fault) {
	st.sweep()
	id, increment := r.leaseID("sys/leases/renew"), r.duration("increment")
	held := st.leases[id]
	switch {
	case id == "":
		return nil, refuse(http.StatusBadRequest, "lease_id must be specified")
	case held == nil:
		return nil, refuse(http.StatusBadRequest, "lease not found")
	case !held.renewable:
		return nil, refuse(http.StatusBadRequest, "lease is not renewable")
	}
	granted := held.extend(st.now(), increment)
	st.counts.LeasesRenewed++
	return &answer{LeaseID: id, Renewable: true, LeaseDuration: seconds(granted), Warnings: capped(increment, granted), MountType: "system"}, nil
}

func (st *store) revokeLease(r *request) (*answer, *fault) {
	st.sweep()
	id := r.leaseID("sys/leases/revoke")
	if id == "" {
		return nil, refuse(http.StatusBadRequest, "lease_id must be specified")
	}
	st.end(id)
	return nil, nil
}
