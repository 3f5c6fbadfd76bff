package vaulttest

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A secret is a secret of a KV mount. In version 1 it has a single version.
type secret struct {
	versions []*version
	custom   map[string]string
}

type version struct {
	data      []byte // JSON
	created   time.Time
	deletion  time.Time // zero means never
	destroyed bool
}

// Put stores data as the current version of name below mount, and returns the number of
// that version. It panics if data cannot be encoded as JSON.
func (s *Server) Put(mount, name string, data map[string]any) (version int) {
	return s.PutJSON(mount, name, string(encode(data)))
}

// PutJSON is Put with a JSON object as text. The server sends the text unchanged, including
// number formats and the order of keys.
func (s *Server) PutJSON(mount, name, data string) (number int) {
	st := s.lock()
	defer st.mu.Unlock()
	m := st.mounted(mount, KV1, KV2)
	if m.kv[name] == nil || m.engine == KV1 {
		m.kv[name] = &secret{}
	}
	sec := m.kv[name]
	sec.versions = append(sec.versions, &version{data: []byte(data), created: st.now()})
	return len(sec.versions)
}

// SetCustomMetadata sets the custom metadata of name below mount, which must be KV
// version 2.
func (s *Server) SetCustomMetadata(mount, name string, custom map[string]string) {
	s.update(mount, name, func(sec *secret) { sec.custom = maps.Clone(custom) })
}

// Delete deletes versions of name below mount, which must be KV version 2. Without
// versions, it deletes the latest. Undelete restores deleted versions.
func (s *Server) Delete(mount, name string, versions ...int) {
	s.DeleteAt(mount, name, s.state.Get().now(), versions...)
}

// DeleteAt is Delete at the time at, which may be in the future.
func (s *Server) DeleteAt(mount, name string, at time.Time, versions ...int) {
	s.updateVersions(mount, name, versions, func(v *version) { v.deletion = at })
}

// Undelete restores deleted versions of name below mount. Without versions, it restores the
// latest.
func (s *Server) Undelete(mount, name string, versions ...int) {
	s.updateVersions(mount, name, versions, func(v *version) { v.deletion = time.Time{} })
}

// Destroy destroys versions of name below mount permanently. Without versions, it destroys
// the latest.
func (s *Server) Destroy(mount, name string, versions ...int) {
	s.updateVersions(mount, name, versions, func(v *version) { v.destroyed, v.data = true, nil })
}

func (s *Server) updateVersions(mount, name string, versions []int, change func(*version)) {
	s.update(mount, name, func(sec *secret) {
		if len(versions) == 0 {
			versions = []int{len(sec.versions)}
		}
		for _, number := range versions {
			if number > 0 && number <= len(sec.versions) {
				change(sec.versions[number-1])
			}
		}
	})
}

// update calls change with the secret, if the secret exists.
func (s *Server) update(mount, name string, change func(*secret)) {
	st := s.lock()
	defer st.mu.Unlock()
	if sec := st.mounted(mount, KV2).kv[name]; sec != nil {
		change(sec)
	}
}

// readKV1 responds to GET <mount>/<name>.
func (m *mount) readKV1(name string) (*response, *apiError) {
	sec := m.kv[name]
	if sec == nil {
		return nil, newError(http.StatusNotFound)
	}
	data := sec.versions[0].data
	var members struct{ TTL, Lease any }
	_ = json.Unmarshal(data, &members) // other data has the default TTL
	ttl := cmp.Or(parseDuration(members.TTL), parseDuration(members.Lease), defaultTTL)
	return &response{Data: json.RawMessage(data), LeaseDuration: seconds(ttl), MountType: "kv"}, nil
}

// readKV2 responds to GET <mount>/data/<name>.
func (m *mount) readKV2(path string, query url.Values, now time.Time) (*response, *apiError) {
	name, ok := strings.CutPrefix(path, "data/")
	if !ok || name == "" || strings.HasSuffix(name, "/") {
		return &response{status: http.StatusNotFound, Warnings: []string{"Invalid path for a versioned K/V secrets engine."}}, nil
	}
	number, err := strconv.Atoi(cmp.Or(query.Get("version"), "0"))
	if err != nil {
		return nil, newError(http.StatusBadRequest, `Field validation failed: error converting input for field "version": cannot parse '' as int`)
	}
	sec := m.kv[name]
	if sec == nil || number > len(sec.versions) {
		return nil, newError(http.StatusNotFound)
	}
	if number <= 0 {
		number = len(sec.versions)
	}
	return sec.respond(number, now), nil
}

// respond returns the data and the metadata of a version.
func (sec *secret) respond(number int, now time.Time) *response {
	v := sec.versions[number-1]
	resp, data, deletion := &response{MountType: "kv"}, json.RawMessage(v.data), ""
	if !v.deletion.IsZero() {
		deletion = timestamp(v.deletion)
	}
	if v.destroyed || !v.deletion.IsZero() && !now.Before(v.deletion) {
		resp, data = &response{status: http.StatusNotFound}, nil
	}
	resp.Data = map[string]any{"data": data, "metadata": map[string]any{
		"created_time": timestamp(v.created), "custom_metadata": sec.custom, "deletion_time": deletion,
		"destroyed": v.destroyed, "version": number,
	}}
	return resp
}
