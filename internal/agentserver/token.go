package agentserver

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/hush-secrets/hush/internal/filetrust"
	"github.com/hush-secrets/hush/internal/secretfile"
)

// tokenVariables are the variables in which AWS's agent looks for its token, in this
// order.
var tokenVariables = [...]string{"AWS_TOKEN", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"}

// maxToken is the size limit of a token in bytes. No client sends a longer header.
const maxToken = 16 << 10

// tokenFileFlag is the source of a token in errors.
const tokenFileFlag = "--token-file"

// A Token authenticates clients of the agent.
type Token struct {
	Text string

	// Notices are warnings for the operator. They do not quote the token.
	Notices []string
}

// FindToken returns the token in file, which it creates if it does not exist. If file
// is empty, it returns the token of the first variable that is set.
func FindToken(file string) (Token, error) {
	if file != "" {
		token, err := tokenFromFile(file)
		return token, withSource(tokenFileFlag, err)
	}
	for _, name := range tokenVariables {
		text := os.Getenv(name)
		if text == "" {
			continue
		}
		if path, ok := strings.CutPrefix(text, "file://"); ok {
			token, err := readToken(name, path)
			return token, withSource(name, err)
		}
		return Token{Text: text}, withSource(name, checkToken(text))
	}
	return Token{}, errors.New("no token: use --token-file FILE, which creates the file, or set " +
		strings.Join(tokenVariables[:], " or ") + ` to a token, such as "$(openssl rand -hex 16)", or to file:///path`)
}

// tokenFromFile reads the token, or creates the file with a new token.
func tokenFromFile(file string) (Token, error) {
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		text := rand.Text()
		switch err := create(file, text+"\n"); {
		case err == nil:
			return Token{text, []string{fmt.Sprintf("wrote a new token to %q, which only its owner can read", file)}}, nil
		case !errors.Is(err, fs.ErrExist): // otherwise another agent has created it
			return Token{}, fmt.Errorf("cannot create the file: %s", systemReason(err))
		}
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return Token{}, errors.New("the path is not valid")
	}
	return readToken(tokenFileFlag, path)
}

// create writes a new file that only its owner can read. The file appears with its
// content, because clients wait for it to read it, and because an empty file that a
// crash leaves would look like an empty token.
func create(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".hush-token-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // a leftover file is harmless
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path) // never replaces a file
}

// systemReason returns the text of err without the path, which may be a token in the
// wrong place.
func systemReason(err error) string {
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return number.Error()
	}
	return "it is not writable"
}

// readToken reads the token in the file at path. It checks the owner of the open file,
// not of its directory, because containers mount token files from shared volumes that
// all users can write. source names the flag or the variable that has the path.
func readToken(source, path string) (Token, error) {
	if !filepath.IsAbs(path) {
		return Token{}, errors.New("the path of the file is not absolute: use file:///path")
	}
	content, info, err := secretfile.ReadInfo(path, maxToken)
	if err != nil {
		return Token{}, fmt.Errorf("the file %s", secretfile.Reason(err))
	}
	if problem := filetrust.FileProblem(info); problem != "" {
		return Token{}, fmt.Errorf("the file %s: another user may have chosen the token", problem)
	}
	token := Token{Text: strings.TrimSpace(string(content))}
	if err := checkToken(token.Text); err != nil {
		return Token{}, err
	}
	if runtime.GOOS != "windows" && info.Mode()&0o004 != 0 {
		token.Notices = []string{source + ": every user of this machine can read the token: run chmod o= on its file"}
	}
	return token, nil
}

// checkToken returns an error if no client can send text in a header.
func checkToken(text string) error {
	switch {
	case text == "":
		return errors.New("the token is empty")
	case len(text) > maxToken:
		return fmt.Errorf("the token exceeds the limit of %d bytes", maxToken)
	case strings.TrimSpace(text) != text:
		return errors.New("the token begins or ends with white space, which a header does not preserve")
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("the token has a control character, which a header cannot contain")
	}
	return nil
}

func withSource(source string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", source, err)
}
