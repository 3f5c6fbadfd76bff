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
	sessionVariable = "AWS_SESSION_TOKEN"    // in Lambda, for the Lambda extension only
	tokenVariable   = "AWS_TOKEN"            // for the agent
	tokenFile       = "/var/run/awssmatoken" // written by the agent's installation on EC2
	maxToken        = 16 << 10               // more than a header can have
)

// tokens finds the token.
type tokens struct {
	get      func(context.Context) (string, error) // Options.Token
	inLambda bool
	file     string
}

// configured reports whether there is a source of tokens. The token itself may be
// invalid.
func (t tokens) configured() bool {
	return t.get != nil || t.inLambda || os.Getenv(tokenVariable) != "" || t.fileExists()
}

// fileExists returns true for a file that this process is not allowed to examine, so
// that reading the file reports the cause.
func (t tokens) fileExists() bool {
	_, err := os.Stat(t.file)
	return !errors.Is(err, fs.ErrNotExist)
}

// find returns the token for one call. Errors do not quote it.
func (t tokens) find(ctx context.Context) (string, error) {
	token, err := t.lookup(ctx)
	switch {
	case err != nil:
		return "", err
	case token == "":
		return "", errors.New("the token is empty")
	case len(token) > maxToken:
		return "", fmt.Errorf("the token exceeds the limit of %d bytes", maxToken)
	case strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", errors.New("the token contains a control character")
	}
	return token, nil
}

func (t tokens) lookup(ctx context.Context) (string, error) {
	variable := os.Getenv(tokenVariable)
	switch {
	case t.get != nil:
		token, err := t.get(ctx)
		if err != nil {
			return "", fmt.Errorf("Options.Token failed with an error of type %T", err)
		}
		return token, nil
	case t.inLambda:
		if token := os.Getenv(sessionVariable); token != "" {
			return token, nil
		}
		return "", errors.New(sessionVariable + " is not set; Lambda sets it for a function with a role")
	case strings.HasPrefix(variable, "file://"):
		return readToken(strings.TrimPrefix(variable, "file://"))
	case variable != "":
		return variable, nil
	case t.fileExists():
		return readToken(t.file)
	}
	return "", fmt.Errorf("no token for the endpoint; set %s to the token or to file:///path, or write the token to %s",
		tokenVariable, t.file)
}

// readToken returns the content of the file at path, without leading and trailing white
// space. Each call reads the file, because a rotation of the token rewrites it.
func readToken(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", errors.New("the path of the token file is not absolute; use file:///path")
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
