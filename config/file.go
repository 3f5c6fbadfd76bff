package config

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
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

// A draft is a Config as it is read, with where it is from and what is wrong with it.
type draft struct {
	Config
	places   map[string]place // by key
	problems problems
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

func (d *draft) done() (*Config, error) {
	d.check()
	if err := d.problems.err(); err != nil {
		return nil, err
	}
	return &d.Config, nil
}
