// Package program has the common code of the measured programs.
package program

import (
	"context"
	"os"

	"github.com/hush-secrets/hush"
)

// Name is the secret that every program reads.
const Name = "app/db"

// Run reads a secret, writes it to standard output, and returns the exit status.
func Run(read func() (string, error)) (status int) {
	text, err := read()
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	_, _ = os.Stdout.WriteString(text + "\n")
	return 0
}

// Get reads the secret from p.
func Get(p hush.Provider) (string, error) {
	secret, err := p.Get(context.Background(), hush.Name(Name))
	return secret.Value.Reveal(), err
}
