package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// folded returns a name as the system compares it.
func folded(name string) string {
	if runtime.GOOS == "windows" {
		return strings.ToUpper(name)
	}
	return name
}

// identifier reports whether every POSIX shell can have a variable of that name.
func identifier(name string) bool {
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case '0' <= c && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return name != ""
}

// cutName returns NAME and REF of NAME=REF; ok is false where there is no NAME. A
// reference whose own name has a = writes %3D for it.
func cutName(text string) (name, ref string, ok bool) {
	name, ref, ok = strings.Cut(text, "=")
	if !ok || !identifier(name) {
		return "", text, false
	}
	return name, ref, true
}

// variableFor returns the variable that a secret has where nobody gave it a name: as
// that which the env store reads it from, with the field after the name.
func variableFor(name, field string) string {
	if field = strings.TrimPrefix(field, "/"); field != "" {
		name += "_" + field
	}
	b := []byte(strings.ToUpper(name))
	for i := range b {
		if !identifier("_" + string(b[i:i+1])) {
			b[i] = '_'
		}
	}
	if len(b) > 0 && '0' <= b[0] && b[0] <= '9' {
		return "_" + string(b)
	}
	return string(b)
}

// A dropper removes variables.
type dropper []string

// newDropper reads names, and prefixes, which end with an underscore.
func newDropper(words []string) (dropper, error) {
	for _, word := range words {
		if !identifier(word) {
			return nil, fmt.Errorf("--drop: %.80q is neither the name of a variable nor a prefix that ends with _", word)
		}
	}
	return words, nil
}

// drops reports whether name is to be removed.
func (d dropper) drops(name string) bool {
	return slices.ContainsFunc(d, func(word string) bool {
		word, name := folded(word), folded(name)
		return word == name || strings.HasSuffix(word, "_") && strings.HasPrefix(name, word)
	})
}

var errZeroByte = errors.New("has a zero byte, which no variable can hold")
