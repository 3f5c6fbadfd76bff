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

// maxFile bounds a file of configuration, in bytes.
const maxFile = 1 << 20

// Load reads a file of YAML, or of JSON, which is a kind of YAML.
//
// Its keys are those of Config in lower case with underscores, and docs/configuration.md
// has a table of them. It is strict: unknown and repeated keys, keys without a value,
// anchors and tags, values of another kind, durations without a unit and a second
// document are errors, and so are a file that is missing, over 1 MiB, not UTF-8, or no
// regular file. All that is wrong is told at once, in the order of the file, each as
// file:line:column: key: what.
//
// Which schemes there are Load does not know; [OpenFile] tells what is wrong with both.
func Load(path string) (*Config, error) { return load(path).done() }

// A draft is a Config that is being read or opened.
type draft struct {
	Config
	origin
}

// An origin is what reading a Config has found out about it.
type origin struct {
	places    map[string]place // by key
	providers []Store          // as they were read
	problems  problems
}

// newDraft returns a copy of c, whose problems are those of reading it.
func newDraft(c *Config) *draft {
	d := &draft{}
	if c == nil {
		return d
	}
	d.Config = *c
	if c.origin == nil {
		return d
	}
	d.origin = *c.origin
	d.places, d.problems.told = maps.Clone(d.places), slices.Clone(d.problems.told)
	for i, l := range d.origin.providers {
		if i >= len(c.Providers) || c.Providers[i] != l {
			delete(d.places, linkKey(i)) // code has replaced it
		}
	}
	return d
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
	if !utf8.Valid(data) {
		line := 1 + bytes.Count(data[:firstInvalid(data)], []byte("\n"))
		d.problems.add(place{source: source, line: line}, "", errors.New("not UTF-8"))
		return
	}
	r := &reader{draft: d, source: source}
	r.document(r.parse(data))
}

func firstInvalid(data []byte) int {
	at := 0
	for {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size <= 1 {
			return at
		}
		at += size
	}
}

// found notes where a key was given.
func (d *draft) found(key string, at place) {
	if d.places == nil {
		d.places = map[string]place{}
	}
	d.places[key] = at
}

// check adds what is wrong with the Config as a whole, apart from what reading it has
// found already.
func (d *draft) check() {
	type where struct{ source, key string }
	told := map[where]bool{}
	for _, p := range d.problems.told {
		told[where{p.at.source, p.key}] = true
	}
	found := d.Config.check()
	for _, p := range found.told {
		if p.at = d.places[p.key]; !told[where{p.at.source, p.key}] || d.hasURL(p.key) {
			d.problems.take(p)
		}
	}
	d.problems.more += found.more
}

// hasURL reports whether key is that of a link with a URL. What is wrong with that is
// told beside what reading the link has found.
func (d *draft) hasURL(key string) bool {
	for i, l := range d.Providers {
		if linkKey(i) == key {
			return l.URL != ""
		}
	}
	return false
}

// done returns what was read, and all of its problems. The Config keeps those of
// reading, so that Open reports them too.
func (d *draft) done() (*Config, error) {
	c := d.Config
	d.origin.providers = slices.Clone(c.Providers)
	c.origin = new(d.origin)
	checked := newDraft(&c)
	checked.check()
	return &c, checked.problems.err()
}
