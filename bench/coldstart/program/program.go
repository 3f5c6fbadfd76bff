// Package program is what the measured programs share.
package program

import (
	"context"
	"io"
	"os"

	"github.com/hush-secrets/hush"
)

// Name is the secret that every program reads.
const Name = "app/db"

// Run reads a secret, writes it to standard output, and exits.
func Run(read func() (string, error)) {
	text, err := read()
	if err != nil {
		_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
		os.Exit(1)
	}
	_, _ = io.WriteString(os.Stdout, text+"\n")
}

// Get reads the secret from p.
func Get(p hush.Provider) (string, error) {
	secret, err := p.Get(context.Background(), hush.Name(Name))
	return secret.Value.Reveal(), err
}
