package main

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

	"github.com/hush-secrets/hush/internal/secretfile"
)

// tokenVariables are where AWS's agent looks for its token, in this order.
var tokenVariables = [...]string{"AWS_TOKEN", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"}

// maxToken is more than a header carries.
const maxToken = 16 << 10

// An agentToken is what a client shows, and what is to be said about it.
type agentToken struct {
	text    string
	notices []string
}

// findToken returns the token: of file, if there is that flag, else of the first
// variable that is set.
func findToken(file string) (agentToken, error) {
	if file != "" {
		return tokenOfFile(file)
	}
	for _, name := range tokenVariables {
		text := os.Getenv(name)
		if text == "" {
			continue
		}
		if path, ok := strings.CutPrefix(text, "file://"); ok {
			t, err := readToken(name, path)
			return t, errorAt(name, err)
		}
		return agentToken{text: text}, errorAt(name, sendable(text))
	}
	return agentToken{}, errors.New("no token, without which nobody may be answered: say --token-file FILE, which makes one, or set " +
		strings.Join(tokenVariables[:], " or ") + ` to one, such as "$(openssl rand -hex 16)", or to file:///path`)
}

// tokenOfFile reads the token, or makes one if there is no such file.
func tokenOfFile(file string) (agentToken, error) {
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		text := rand.Text()
		switch err := create(file, text+"\n"); {
		case err == nil:
			return agentToken{text, []string{fmt.Sprintf("a new token is in %q, which its owner alone can read", file)}}, nil
		case !errors.Is(err, fs.ErrExist): // else somebody was quicker
			return agentToken{}, fmt.Errorf("--token-file: it cannot be made: %s", systemsWord(err))
		}
	}
	full, err := filepath.Abs(file)
	if err != nil {
		return agentToken{}, errors.New("--token-file: this is no path")
	}
	t, err := readToken("--token-file", full)
	return t, errorAt("--token-file", err)
}

// create writes a file that was not there, for its owner alone. It is there once it is
// whole: others wait for it to read it, and one that a crash left empty would be taken
// for the token.
func create(file, text string) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".hush-token-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // of what is left behind nobody takes notice
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), file) // which replaces nothing
}

// systemsWord is an error without its path, which may be a token in the wrong place.
func systemsWord(err error) string {
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return number.Error()
	}
	return "it cannot be written"
}

// readToken reads the token in the file at path. what names the setting. The file is
// judged by the descriptor that it is read from, and not by its directory: in
// containers, token files lie in shared volumes that all users can write.
func readToken(what, path string) (agentToken, error) {
	if !filepath.IsAbs(path) {
		return agentToken{}, errors.New("the file's path is not absolute: write file:///path")
	}
	content, info, err := secretfile.ReadInfo(path, maxToken)
	if err != nil {
		return agentToken{}, fmt.Errorf("the file %s", secretfile.Reason(err))
	}
	if why := distrust(info); why != "" {
		return agentToken{}, fmt.Errorf("the file %s: another user may have chosen the token", why)
	}
	t := agentToken{text: strings.TrimSpace(string(content))}
	if err := sendable(t.text); err != nil {
		return agentToken{}, err
	}
	if runtime.GOOS != "windows" && info.Mode()&0o004 != 0 {
		t.notices = []string{what + ": every user of this machine can read the token: chmod o= its file"}
	}
	return t, nil
}

// sendable returns why no client can send text in a header.
func sendable(text string) error {
	switch {
	case text == "":
		return errors.New("the token is empty")
	case len(text) > maxToken:
		return fmt.Errorf("the token has more than %d bytes", maxToken)
	case strings.TrimSpace(text) != text:
		return errors.New("the token has space around it, which a header loses")
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("the token has a control character, which no header holds")
	}
	return nil
}

func errorAt(where string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", where, err)
}
