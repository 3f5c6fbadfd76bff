package vaulttest

import (
	"maps"
	"time"
)

// A secret is what a KV mount has under one name. In version 1 it has one version.
type secret struct {
	versions []*version
	custom   map[string]string
}

type version struct {
	data      []byte // JSON
	created   time.Time
	deletes   time.Time // when it is deleted; zero: never
	destroyed bool
}

func (v *version) gone(now time.Time) bool {
	return v.destroyed || !v.deletes.IsZero() && !now.Before(v.deletes)
}

// Put stores data as the current version of name below mount, and returns the
// number of that version. It panics if data is not JSON.
func (s *Server) Put(mount, name string, data map[string]any) (version int) {
	raw := encode(data)
	return s.put(mount, name, raw)
}

// PutJSON is Put with data as the text of a JSON object, which is sent as it is:
// for numbers and for an order of keys that a map cannot have.
func (s *Server) PutJSON(mount, name, data string) (version int) {
	return s.put(mount, name, []byte(data))
}

func (s *Server) put(mount, name string, data []byte) int {
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	held := s.store.Get().mounted(mount, KV1, KV2)
	kept := held.kv[name]
	if kept == nil || held.engine == KV1 {
		kept = &secret{}
		held.kv[name] = kept
	}
	kept.versions = append(kept.versions, &version{data: data, created: s.store.Get().now()})
	return len(kept.versions)
}

// SetCustomMetadata sets the custom metadata of name below mount, of KV version 2.
func (s *Server) SetCustomMetadata(mount, name string, custom map[string]string) {
	s.change(mount, name, func(kept *secret) { kept.custom = maps.Clone(custom) })
}

// Delete deletes versions of name below mount, of KV version 2, so that Undelete
// can bring them back; without versions the last.
func (s *Server) Delete(mount, name string, versions ...int) {
	s.DeleteAt(mount, name, s.store.Get().now(), versions...)
}

// DeleteAt is Delete with a time to do it at.
func (s *Server) DeleteAt(mount, name string, at time.Time, versions ...int) {
	s.each(mount, name, versions, func(v *version) { v.deletes = at })
}

// Undelete brings deleted versions back; without versions the last.
func (s *Server) Undelete(mount, name string, versions ...int) {
	s.each(mount, name, versions, func(v *version) { v.deletes = time.Time{} })
}

// Destroy destroys versions for good; without versions the last.
func (s *Server) Destroy(mount, name string, versions ...int) {
	s.each(mount, name, versions, func(v *version) { v.destroyed, v.data = true, nil })
}

// Remove removes name with all its versions, of either KV version, as if it had
// never been.
func (s *Server) Remove(mount, name string) {
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	delete(s.store.Get().mounted(mount, KV1, KV2).kv, name)
}

func (s *Server) each(mount, name string, versions []int, do func(*version)) {
	s.change(mount, name, func(kept *secret) {
		if len(versions) == 0 {
			versions = []int{len(kept.versions)}
		}
		for _, number := range versions {
			if number > 0 && number <= len(kept.versions) {
				do(kept.versions[number-1])
			}
		}
	})
}

// change does do to a secret, if there is one.
func (s *Server) change(mount, name string, do func(*secret)) {
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	if kept := s.store.Get().mounted(mount, KV2).kv[name]; kept != nil {
		do(kept)
	}
}
