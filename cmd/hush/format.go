package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hush-secrets/hush"
)

// The formats of get.
const (
	formatRaw   = "raw"
	formatJSON  = "json"
	formatEnv   = "env"
	formatShell = "shell"
)

var formats = []string{formatRaw, formatJSON, formatEnv, formatShell}

// A question is an argument of get.
type question struct {
	text string // as it was given
	name string // of NAME=REF; empty: none was given
	ref  hush.Ref
}

// A pair is one entry of the output.
type pair struct{ name, value string }

// A layout is a format that has names, and how it derives them.
type layout struct {
	format string
	prefix *string // of variables without a NAME; nil: --var-prefix is not given
}

// render returns the text of secrets. The error joins everything that is wrong with
// them.
func (l layout) render(questions []question, secrets []hush.Secret) ([]byte, error) {
	var pairs []pair
	var errs []error
	for i, q := range questions {
		entries, err := l.pairs(q, secrets[i])
		pairs, errs = append(pairs, entries...), append(errs, err)
	}
	errs = append(errs, checkPairs(l.format, pairs)...)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if l.format == formatJSON {
		return renderJSON(pairs)
	}
	var b bytes.Buffer
	for _, p := range pairs {
		if l.format == formatShell {
			_, _ = fmt.Fprintf(&b, "export %s=%s\n", p.name, quoted(p.value))
		} else {
			_, _ = fmt.Fprintf(&b, "%s=%s\n", p.name, quotedIfNeeded(p.value))
		}
	}
	return b.Bytes(), nil
}

// pairs returns the entries of one secret: a single one, or, for env and shell, one
// for each member of a JSON object that has no NAME.
func (l layout) pairs(q question, secret hush.Secret) ([]pair, error) {
	value := secret.Value.Reveal()
	switch {
	case q.name != "":
		return []pair{{q.name, value}}, nil
	case l.format == formatJSON:
		return []pair{{q.text, value}}, nil
	case isObject(value):
		return l.members(q, secret)
	case l.prefix != nil:
		return []pair{{*l.prefix + variableFor(q.ref.Name, q.ref.Field), value}}, nil
	}
	return []pair{{variableFor(q.ref.Name, q.ref.Field), value}}, nil
}

// members returns one entry for each member of a JSON object. The author of a secret
// chooses these names, and a variable such as TAR_OPTIONS makes the next program run
// code, so that the caller must choose a prefix.
func (l layout) members(q question, secret hush.Secret) ([]pair, error) {
	if l.prefix == nil {
		return nil, fmt.Errorf("%.80q: the secret is a JSON object, and the names of its members would become the names of variables: "+
			"set a prefix with --var-prefix, set --var-prefix '' if the members may set any variable, or write NAME=REF", q.text)
	}
	var members map[string]hush.Value
	if err := secret.Decode(&members); err != nil {
		return nil, fmt.Errorf("%.80q: %s", q.text, strings.TrimPrefix(err.Error(), "hush: decode: "))
	}
	pairs := make([]pair, 0, len(members))
	for _, name := range slices.Sorted(maps.Keys(members)) {
		pairs = append(pairs, pair{*l.prefix + name, members[name].Reveal()})
	}
	return pairs, nil
}

func isObject(value string) bool {
	return strings.HasPrefix(strings.TrimLeft(value, " \t\r\n"), "{") && json.Valid([]byte(value))
}

// checkPairs returns what a format cannot hold. No error quotes a value.
func checkPairs(format string, pairs []pair) (errs []error) {
	seen := map[string]bool{}
	for _, p := range pairs {
		if seen[p.name] {
			errs = append(errs, fmt.Errorf("%.80q: there are two of that name: give them others, as in NAME=REF", p.name))
		}
		seen[p.name] = true
		if err := checkPair(format, p); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func checkPair(format string, p pair) error {
	if format == formatJSON {
		if !utf8.ValidString(p.value) {
			return fmt.Errorf("%.80q: the secret is not UTF-8, which JSON cannot hold: use --format raw", p.name)
		}
		return nil
	}
	switch err := checkVariable(p.name); {
	case err != nil:
		return err
	case strings.Contains(p.value, "\x00"):
		return fmt.Errorf("%.80q: the secret %w", p.name, errZeroByte)
	case format == formatEnv && strings.Contains(p.value, "\n"):
		return fmt.Errorf("%.80q: the secret has a line break, which a line cannot hold: use --format shell", p.name)
	}
	return nil
}

// renderJSON returns one object, with its members in the order of pairs.
func renderJSON(pairs []pair) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte(',')
		}
		for _, part := range []struct{ text, end string }{{p.name, ":"}, {p.value, ""}} {
			if err := encoder.Encode(part.text); err != nil {
				return nil, errors.New("a secret is no text that JSON can hold")
			}
			b.Truncate(b.Len() - 1) // the encoder's line break
			b.WriteString(part.end)
		}
	}
	b.WriteString("}\n")
	return b.Bytes(), nil
}

// quoted returns s as one word of every POSIX shell, and nothing in it is special.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// plain are the bytes that mean themselves to shells and to everything else that
// reads lines of NAME=VALUE.
const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.,:/@%+="

// quotedIfNeeded returns s as a word that is quoted only if it has to be: some of
// what reads such lines takes quotes for a part of the value. What begins with a =
// is the path of a command to zsh.
func quotedIfNeeded(s string) string {
	if strings.Trim(s, plain) == "" && !strings.HasPrefix(s, "=") {
		return s
	}
	return quoted(s)
}
