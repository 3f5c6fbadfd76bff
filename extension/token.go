package extension

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hush-secrets/hush/internal/secretfile"
)

const (
	sessionVariable = "AWS_SESSION_TOKEN" // Lambda's, and for Lambda's extension alone
	tokenVariable   = "AWS_TOKEN"         // the agent's
	// tokenFile is where the agent's installation on EC2 keeps its token.
	tokenFile = "/var/run/awssmatoken"
	// maxToken is more than any header could carry.
	maxToken = 16 << 10
)

// tokens knows where the token is.
type tokens struct {
	given    func(context.Context) (string, error)
	inLambda bool
	file     string
}

// any reports whether there is a place for a token, whatever it holds.
func (t tokens) any() bool {
	if t.given != nil || t.inLambda || os.Getenv(tokenVariable) != "" {
		return true
	}
	return t.inFile()
}

// inFile reports whether the token file is there; one that may not be looked at
// is, and reading it says so.
func (t tokens) inFile() bool {
	_, err := os.Stat(t.file)
	return !errors.Is(err, fs.ErrNotExist)
}

// get returns the token for one call, or ErrUnauthenticated.
func (t tokens) get(ctx context.Context) (string, *APIError) {
	token, err := t.find(ctx)
	if err == nil {
		err = sendable(token)
	}
	if err != nil {
		return "", unsent(ReasonNoToken, err.Error())
	}
	return token, nil
}

func (t tokens) find(ctx context.Context) (string, error) {
	variable := os.Getenv(tokenVariable)
	switch {
	case t.given != nil:
		token, err := t.given(ctx)
		if err != nil {
			return "", fmt.Errorf("the function that gives the token failed, with an error of type %T", err)
		}
		return token, nil
	case t.inLambda:
		if token := os.Getenv(sessionVariable); token != "" {
			return token, nil
		}
		return "", errors.New(sessionVariable + " is not set, which Lambda does for a function with a role")
	case strings.HasPrefix(variable, "file://"):
		return readToken(strings.TrimPrefix(variable, "file://"))
	case variable != "":
		return variable, nil
	case t.inFile():
		return readToken(t.file)
	}
	return "", fmt.Errorf("no token for the endpoint: set %s to the token or to file:///path, or write the token to %s",
		tokenVariable, t.file)
}

// sendable returns why token cannot be the value of a header.
func sendable(token string) error {
	switch {
	case token == "":
		return errors.New("the token is empty")
	case len(token) > maxToken:
		return fmt.Errorf("the token has more than %d bytes", maxToken)
	case strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("the token has a control character")
	}
	return nil
}

// readToken returns the content of the file at path without the space around it. It
// reads the file for each call, because a rotation of the token rewrites the file.
func readToken(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", errors.New("the token file is not an absolute path: use file:///path")
	}
	content, err := secretfile.Read(path, maxToken)
	if err != nil {
		return "", fmt.Errorf("the token file %q %s", path, secretfile.Reason(err))
	}
	token := strings.TrimSpace(string(content))
	if token == "" {
		return "", fmt.Errorf("the token file %q is empty", path)
	}
	return token, nil
}
