package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/secretfile"
)

// maxEnvFile bounds a file of variables, in bytes.
const maxEnvFile = 1 << 20

// A variable is one that gets a secret.
type variable struct {
	name string
	ref  hush.Ref
	from string // where it is asked for
	file bool   // that is a file, where a secret in the place of its name is an easy mistake
}

// readEnvFile returns the variables of a file. All that is wrong is told at once.
func readEnvFile(path string) ([]variable, error) {
	content, err := secretfile.Read(path, maxEnvFile)
	if err != nil {
		return nil, fmt.Errorf("--env-file %q %s", path, secretfile.Reason(err))
	}
	variables, errs := parseEnvFile(string(content))
	for i, err := range errs {
		errs[i] = fmt.Errorf("%s:%w", path, err)
	}
	for i := range variables {
		variables[i].from = path + ":" + variables[i].from
	}
	return variables, errors.Join(errs...)
}

// parseEnvFile reads lines of NAME=REF. Empty lines, and those whose first character
// is a #, say nothing; a # later on begins a field. Errors begin with the number of
// their line, and quote none: a secret in the place of its name is an easy mistake.
func parseEnvFile(text string) (variables []variable, errs []error) {
	lines := map[string]int{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if strings.TrimLeft(line, " \t") == "" || strings.HasPrefix(line, "#") {
			continue
		}
		v, err := parseEnvLine(line)
		if before := lines[v.name]; err == nil && before > 0 {
			err = fmt.Errorf("%s is there twice: it is in line %d, too", v.name, before)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%d: %w", number, err))
			continue
		}
		lines[v.name] = number
		v.from, v.file = strconv.Itoa(number)+":", true
		variables = append(variables, v)
	}
	return variables, errs
}

func parseEnvLine(line string) (variable, error) {
	name, text, ok := strings.Cut(line, "=")
	switch {
	case !utf8.ValidString(line):
		return variable{}, errors.New("not UTF-8")
	case !ok || !identifier(name):
		return variable{}, errors.New("no NAME=REF, with nothing before the name and nothing around the =")
	case text != strings.Trim(text, " \t"):
		return variable{}, errors.New("a space before or after the reference: write %20 for one in a name")
	case strings.HasPrefix(text, `"`) || strings.HasPrefix(text, "'"):
		return variable{}, errors.New("a quote before the reference: it needs none; write %22 or %27 for one in a name")
	}
	if err := checkVariable(name); err != nil {
		return variable{}, err
	}
	ref, err := parseRef(text)
	if err != nil {
		return variable{}, errors.New("not a reference: " + reason(err))
	}
	return variable{name: name, ref: ref}, nil
}

// reason returns why a reference is none, without it: what the parser says quotes it.
func reason(err error) string {
	if e, ok := errors.AsType[*hush.Error](err); ok && e.Err != nil && errors.Unwrap(e.Err) == nil {
		return e.Err.Error()
	}
	return "'hush help reference' says how one is written"
}
