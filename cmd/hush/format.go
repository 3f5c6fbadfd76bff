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

// A pair is one entry of what is printed.
type pair struct {
	name, value string
	member      bool // it is called as in the secret, which nobody else has a say in
}

// render returns the text of the answers in a format that has names. All that is
// wrong with them is told at once.
func render(format string, questions []question, secrets []hush.Secret) ([]byte, error) {
	var pairs []pair
	var errs []error
	for i, q := range questions {
		answer, err := q.pairs(format, secrets[i])
		pairs, errs = append(pairs, answer...), append(errs, err)
	}
	errs = append(errs, checkPairs(format, pairs)...)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if format == formatJSON {
		return renderJSON(pairs)
	}
	var b bytes.Buffer
	for _, p := range pairs {
		if format == formatShell {
			_, _ = fmt.Fprintf(&b, "export %s=%s\n", p.name, quoted(p.value))
		} else {
			_, _ = fmt.Fprintf(&b, "%s=%s\n", p.name, quotedIfNeeded(p.value))
		}
	}
	return b.Bytes(), nil
}

// pairs returns what an answer is printed as: one pair, or for env and shell, where
// the question gives no name, one for each member of a JSON object.
func (q question) pairs(format string, secret hush.Secret) ([]pair, error) {
	value := secret.Value.Reveal()
	switch {
	case q.name != "":
		return []pair{{name: q.name, value: value}}, nil
	case format == formatJSON:
		return []pair{{name: q.text, value: value}}, nil
	case !strings.HasPrefix(strings.TrimLeft(value, " \t\r\n"), "{") || !json.Valid([]byte(value)):
		return []pair{{name: variableFor(q.ref.Name, q.ref.Field), value: value}}, nil
	}
	var members map[string]hush.Value
	if err := secret.Decode(&members); err != nil {
		return nil, fmt.Errorf("%.80q: %s", q.text, strings.TrimPrefix(err.Error(), "hush: decode: "))
	}
	pairs := make([]pair, 0, len(members))
	for _, name := range slices.Sorted(maps.Keys(members)) {
		pairs = append(pairs, pair{name, members[name].Reveal(), true})
	}
	return pairs, nil
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
	check := checkTarget
	if p.member {
		check = checkMember
	}
	switch err := check(p.name); {
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
