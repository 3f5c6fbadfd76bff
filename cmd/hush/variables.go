package main

import (
	"errors"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/internal/secretfile"
)

// maxEnvFile is the size limit of a file of variables, in bytes.
const maxEnvFile = 1 << 20

// A variable is an environment variable that gets a secret.
type variable struct {
	name   string
	ref    hush.Ref
	origin string // the flag or the line of a file, for errors
	inFile bool   // errors must not quote the reference, which may be a misplaced secret
}

// readEnvFile returns the variables of a file. The error reports all invalid lines.
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
		variables[i].origin = path + ":" + variables[i].origin
	}
	return variables, errors.Join(errs...)
}

// parseEnvFile parses lines of NAME=REF. It skips empty lines and lines that begin with
// #. Elsewhere, a # begins a field. Errors begin with the number of the line and do not
// quote it, because a secret in place of a reference is an easy mistake.
func parseEnvFile(text string) (variables []variable, errs []error) {
	lines := map[string]int{} // by name
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if strings.Trim(line, " \t") == "" || strings.HasPrefix(line, "#") {
			continue
		}
		v, err := parseVariable(line)
		if first := lines[v.name]; err == nil && first > 0 {
			err = fmt.Errorf("%s is already set in line %d", v.name, first)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%d: %w", number, err))
			continue
		}
		lines[v.name] = number
		v.origin, v.inFile = strconv.Itoa(number)+":", true
		variables = append(variables, v)
	}
	return variables, errs
}

// parseVariable parses NAME=REF.
func parseVariable(text string) (variable, error) {
	name, reference, ok := strings.Cut(text, "=")
	switch {
	case !utf8.ValidString(text):
		return variable{}, errors.New("not UTF-8")
	case !ok || !isIdentifier(name):
		return variable{}, errors.New("not of the form NAME=REF, without white space around NAME")
	case reference != strings.Trim(reference, " \t"):
		return variable{}, errors.New("white space before or after the reference: write %20 for a space in a name")
	case strings.HasPrefix(reference, `"`) || strings.HasPrefix(reference, "'"):
		return variable{}, errors.New("a quote before the reference: remove it, or write %22 or %27 for a quote in a name")
	}
	if err := checkVariableName(name); err != nil {
		return variable{}, err
	}
	ref, err := parseRef(reference)
	if err != nil {
		return variable{}, errors.New("invalid reference: " + parseProblem(err))
	}
	return variable{name: name, ref: ref}, nil
}

// parseProblem returns why a reference is invalid. Only a cause without causes of its
// own does not quote the reference.
func parseProblem(err error) string {
	if e, ok := errors.AsType[*hush.Error](err); ok && e.Err != nil && errors.Unwrap(e.Err) == nil {
		return e.Err.Error()
	}
	return "see 'hush help reference'"
}

// foldCase returns a variable's name in the form in which the system compares names.
func foldCase(name string) string {
	if runtime.GOOS == "windows" {
		return strings.ToUpper(name)
	}
	return name
}

// isIdentifier reports whether name is a valid variable name in every POSIX shell.
func isIdentifier(name string) bool {
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

// defaultVariable returns the name of the variable for a secret that has no NAME: the
// name that the env store reads, with the field after it.
func defaultVariable(ref hush.Ref) string {
	name := ref.Name
	if field := strings.TrimPrefix(ref.Field, "/"); field != "" {
		name += "_" + field
	}
	name = env.New(nil).Variable(name)
	if name != "" && !isIdentifier(name) {
		return "_" + name // it begins with a digit
	}
	return name
}

// reservedNames returns patterns of variables that make the loader or a shell load and
// run code, each group separated by spaces. * stands for any characters. The list is
// short on purpose: a list of all variables that make some program run code cannot be
// complete.
func reservedNames() []string {
	return []string{
		"LD_* DYLD_* *_PRELOAD GLIBC_TUNABLES GCONV_PATH", // the loader and the C library
		"PATH IFS ENV BASH_* BASHOPTS SHELLOPTS CDPATH FPATH PROMPT_COMMAND PS4 ZDOTDIR",
		"path cdpath fpath module_path", // zsh ties them to the variables in capitals
		"COMSPEC PATHEXT",               // cmd.exe
	}
}

// checkVariableName returns an error if a secret must not become the variable name.
func checkVariableName(name string) error {
	if !isIdentifier(name) {
		return fmt.Errorf("%.80q is not a valid variable name: use letters, digits and underscores, and do not begin with a digit", name)
	}
	isReserved := func(pattern string) bool {
		ok, err := path.Match(foldCase(pattern), foldCase(name))
		return ok && err == nil
	}
	if slices.ContainsFunc(strings.Fields(strings.Join(reservedNames(), " ")), isReserved) {
		return fmt.Errorf("%.80q is reserved for the loader or for shells, which could run the secret as code: choose another name", name)
	}
	return nil
}

// errZeroByte follows the name of a secret in a sentence.
var errZeroByte = errors.New("has a zero byte, which a variable cannot contain")
