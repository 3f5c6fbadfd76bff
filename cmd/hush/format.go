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

// A pair is an entry of the output.
type pair struct{ name, value string }

// A formatter prints secrets in a format that has names.
type formatter struct {
	format string
	prefix *string // of variables without NAME; nil if --var-prefix is not set
}

// render returns the output. The error reports everything that the format cannot
// represent, and quotes no value.
func (f formatter) render(requests []request, secrets []hush.Secret) ([]byte, error) {
	var pairs []pair
	var errs []error
	for i, r := range requests {
		entries, err := f.pairs(r, secrets[i])
		pairs, errs = append(pairs, entries...), append(errs, err)
	}
	values := map[string]string{}
	for _, p := range pairs {
		if _, repeated := values[p.name]; repeated {
			errs = append(errs, fmt.Errorf("%.80q: the name is used twice: choose another one with NAME=REF", p.name))
		}
		values[p.name] = p.value
		errs = append(errs, f.check(p))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if f.format == formatJSON {
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		err := encoder.Encode(values)
		return b.Bytes(), err
	}
	for _, p := range pairs {
		if f.format == formatShell {
			_, _ = fmt.Fprintf(&b, "export %s=%s\n", p.name, quote(p.value))
		} else {
			_, _ = fmt.Fprintf(&b, "%s=%s\n", p.name, quoteIfNeeded(p.value))
		}
	}
	return b.Bytes(), nil
}

// pairs returns the entries of one secret. For env and shell, a JSON object without NAME
// has an entry for each member.
func (f formatter) pairs(r request, secret hush.Secret) ([]pair, error) {
	value := secret.Value.Reveal()
	switch {
	case r.name != "":
		return []pair{{r.name, value}}, nil
	case f.format == formatJSON:
		return []pair{{r.text, value}}, nil
	case isObject(value):
		return f.members(r, secret)
	}
	name := defaultVariable(r.ref)
	if f.prefix != nil {
		name = *f.prefix + name
	}
	return []pair{{name, value}}, nil
}

// members returns an entry for each member of a JSON object. It requires a prefix,
// because the author of the secret chooses the names, and a variable such as
// TAR_OPTIONS can make the next program run code.
func (f formatter) members(r request, secret hush.Secret) ([]pair, error) {
	if f.prefix == nil {
		return nil, fmt.Errorf("%.80q: the secret is a JSON object, and its members would become variables: "+
			"set a prefix with --var-prefix, set --var-prefix '' if the members may set any variable, or write NAME=REF", r.text)
	}
	var members map[string]hush.Value
	if err := secret.Decode(&members); err != nil {
		return nil, fmt.Errorf("%.80q: %s", r.text, strings.TrimPrefix(err.Error(), "hush: decode: "))
	}
	var pairs []pair
	for _, name := range slices.Sorted(maps.Keys(members)) {
		pairs = append(pairs, pair{*f.prefix + name, members[name].Reveal()})
	}
	return pairs, nil
}

func isObject(value string) bool {
	return strings.HasPrefix(strings.TrimLeft(value, " \t\r\n"), "{") && json.Valid([]byte(value))
}

// check returns an error if the format cannot represent p.
func (f formatter) check(p pair) error {
	if f.format == formatJSON {
		if !utf8.ValidString(p.value) {
			return fmt.Errorf("%.80q: the secret is not UTF-8, which JSON requires: use --format raw", p.name)
		}
		return nil
	}
	switch err := checkVariableName(p.name); {
	case err != nil:
		return err
	case strings.Contains(p.value, "\x00"):
		return fmt.Errorf("%.80q: the secret %w", p.name, errZeroByte)
	case f.format == formatEnv && strings.Contains(p.value, "\n"):
		return fmt.Errorf("%.80q: the secret has a line break, which this format cannot represent: use --format shell", p.name)
	}
	return nil
}

// quote returns s as one word of a POSIX shell, without expansions.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// safeBytes have no special meaning in shells and in other programs that read lines
// NAME=value.
const safeBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.,:/@%+="

// quoteIfNeeded quotes s only if a shell requires that, because some programs that read
// such lines take quotes as a part of the value. zsh expands a leading =.
func quoteIfNeeded(s string) string {
	if strings.Trim(s, safeBytes) == "" && !strings.HasPrefix(s, "=") {
		return s
	}
	return quote(s)
}
