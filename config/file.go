package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"github.com/hush-secrets/hush/internal/secretfile"
)

// maxFile is the maximum size of a configuration file in bytes.
const maxFile = 1 << 20

// Load reads a file of YAML or JSON. docs/configuration.md has a table of its keys.
//
// Unknown keys, duplicate keys, keys without a value, anchors, aliases, tags, values of
// the wrong kind, durations without a unit and a second document are errors. So is a
// file that is missing, exceeds 1 MiB, is not UTF-8 or is not a regular file.
//
// The error reports all mistakes in the order of the file, as "file:line:column: key:
// mistake". Load returns a Config even then. [Open] fails with the same mistakes and
// those that only the schemes can find, so a program may leave the report to Open.
func Load(path string) (*Config, error) { return load(path).checked() }

// A draft is a Config that is being read.
type draft struct {
	Config
	origin
}

// An origin is what reading a Config has found out about it. It does not change when
// the Config is opened.
type origin struct {
	places    map[string]place // by key
	providers []Store          // as they were read
	problems  problems
}

func load(path string) *draft {
	d := &draft{}
	data, err := secretfile.Read(path, maxFile)
	switch {
	case path == "":
		d.problems.add(place{}, "", errors.New("the path of the file is empty"))
	case err != nil:
		d.problems.add(place{source: path}, "", fmt.Errorf("the file %s", secretfile.Reason(err)))
	default:
		d.read(filepath.Clean(path), data)
	}
	return d
}

// read reads the text of a file.
func (d *draft) read(source string, data []byte) {
	at := place{source: source}
	for line := range bytes.Lines(data) {
		if at.line++; !utf8.Valid(line) {
			d.problems.add(at, "", errors.New("the file must be UTF-8"))
			return
		}
	}
	r := &reader{draft: d, source: source}
	if root := r.parse(data); root != nil {
		r.document(root)
	}
}

// setPlace records where a key is set.
func (d *draft) setPlace(key string, at place) {
	if d.places == nil {
		d.places = map[string]place{}
	}
	d.places[key] = at
}

// config returns what was read, with its origin.
func (d *draft) config() *Config {
	d.providers = slices.Clone(d.Providers)
	c := d.Config
	c.origin = &d.origin
	return &c
}

// checked returns what was read, and all mistakes that Open finds without a scheme.
func (d *draft) checked() (*Config, error) {
	c := d.config()
	checker := newChecker(*c)
	checker.check()
	return c, checker.problems.err()
}

// placesIn returns the places of a Config that has these providers now. A provider that
// code has replaced has no place.
func (o *origin) placesIn(providers []Store) map[string]place {
	places := maps.Clone(o.places)
	for i, s := range o.providers {
		if i >= len(providers) || providers[i] != s {
			delete(places, providerKey(i))
		}
	}
	return places
}
