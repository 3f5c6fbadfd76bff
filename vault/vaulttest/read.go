package vaulttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// preflight answers what the mount of a path is, to a token that may read
// anything there.
func (st *store) preflight(r *request) (*answer, *fault) {
	asked := strings.TrimPrefix(r.Path, "sys/internal/ui/mounts/")
	found, _ := st.route(below(r.Namespace, asked))
	if found == nil || st.denies(r.holder, r.path) || st.denies(r.holder, found.path+"/") {
		return nil, refuse(http.StatusForbidden, fmt.Sprintf(
			"preflight capability check returned 403, please ensure client's policies grant access to path %q", strings.Trim(asked, "/")+"/"))
	}
	kind, options := string(found.engine), map[string]string{}
	switch found.engine {
	case KV1:
		kind, options["version"] = "kv", "1"
	case KV2:
		kind, options["version"] = "kv", "2"
	}
	ttl := seconds(defaultTTL)
	return &answer{Data: map[string]any{
		"accessor": kind + "_6c52069e", "description": "", "external_entropy_access": false, "local": false,
		"config":  map[string]any{"default_lease_ttl": ttl, "max_lease_ttl": ttl, "force_no_cache": false},
		"options": options, "path": strings.TrimPrefix(found.path, below(r.Namespace, "")) + "/",
		"plugin_version": "", "running_sha256": "", "seal_wrap": false, "type": kind, "uuid": newUUID(),
	}}, nil
}

func (m *mount) readKV1(name string) (*answer, *fault) {
	held := m.kv[name]
	if held == nil {
		return nil, refuse(http.StatusNotFound)
	}
	data := held.versions[len(held.versions)-1].data
	return &answer{Data: json.RawMessage(data), LeaseDuration: seconds(leaseOf(data)), MountType: "kv"}, nil
}

// leaseOf returns how long version 1 says to keep data: a member ttl or lease,
// else the default.
func leaseOf(data []byte) time.Duration {
	var said struct{ TTL, Lease any }
	_ = json.Unmarshal(data, &said) // anything else it holds is not for us
	return firstOf(durationOf(said.TTL), durationOf(said.Lease), defaultTTL)
}

type metadata struct {
	CreatedTime    string            `json:"created_time"`
	CustomMetadata map[string]string `json:"custom_metadata"`
	DeletionTime   string            `json:"deletion_time"`
	Destroyed      bool              `json:"destroyed"`
	Version        int               `json:"version"`
}

type kv2Answer struct {
	Data     json.RawMessage `json:"data"`
	Metadata metadata        `json:"metadata"`
}

func (m *mount) readKV2(rest string, query map[string][]string, now time.Time) (*answer, *fault) {
	name, ok := strings.CutPrefix(rest, "data/")
	if !ok || name == "" || strings.HasSuffix(name, "/") {
		return &answer{status: http.StatusNotFound, Warnings: []string{"Invalid path for a versioned K/V secrets engine."}}, nil
	}
	number, fault := numberOf(query["version"])
	if fault != nil {
		return nil, fault
	}
	held := m.kv[name]
	if held == nil || number > len(held.versions) {
		return nil, refuse(http.StatusNotFound)
	}
	if number <= 0 {
		number = len(held.versions)
	}
	return held.show(number, now), nil
}

func numberOf(version []string) (int, *fault) {
	if len(version) == 0 || version[0] == "" {
		return 0, nil
	}
	number, err := strconv.Atoi(version[0])
	if err != nil {
		return 0, refuse(http.StatusBadRequest, `Field validation failed: error converting input for field "version": cannot parse '' as int`)
	}
	return number, nil
}

func (s *secret) show(number int, now time.Time) *answer {
	found := s.versions[number-1]
	shown := kv2Answer{found.data, metadata{stamp(found.created), s.custom, "", found.destroyed, number}}
	if !found.deletes.IsZero() {
		shown.Metadata.DeletionTime = stamp(found.deletes)
	}
	if found.gone(now) {
		shown.Data = nil
		return &answer{Data: shown, status: http.StatusNotFound}
	}
	return &answer{Data: shown, MountType: "kv"}
}

// readLeased answers <mount>/creds/<role> and, for AWS, <mount>/sts/<role>.
func (st *store) readLeased(r *request, found *mount, rest string) (*answer, *fault) {
	kind, name, _ := strings.Cut(rest, "/")
	if kind != "creds" && (kind != "sts" || found.engine != AWS) || name == "" {
		return nil, refuse(http.StatusNotFound, multiple("unsupported path"))
	}
	opts := found.roles[name]
	if opts == nil && found.engine == AWS {
		return nil, refuse(http.StatusBadRequest, fmt.Sprintf("Role %q not found", name))
	}
	if opts == nil {
		return nil, refuse(http.StatusBadRequest, "unknown role: "+name)
	}
	data := found.credentials(name, opts)
	if opts.NoLease {
		return &answer{Data: data, MountType: string(found.engine)}, nil
	}
	made := st.grant(r.Path, r.holder, opts, data)
	return &answer{
		LeaseID: made.id, LeaseDuration: seconds(made.expires.Sub(made.issued)), Renewable: made.renewable,
		Data: data, MountType: string(found.engine),
	}, nil
}

func seconds(d time.Duration) int { return int(d.Round(time.Second) / time.Second) }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
