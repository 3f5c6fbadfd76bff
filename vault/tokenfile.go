package vault

import (
	"context"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
)

// fileTick is more than the resolution of any file system's times. A file that was
// read sooner after it was written may be written again without a trace in them.
const fileTick = 3 * time.Second

// TokenFile returns the method of a token in a file, such as the sink of a Vault
// agent, which renews it: its life is not asked for. The file is read for each login
// and watched: another token in it is used from the next read on. While it holds
// none, the last one goes on.
//
// Space around the token is dropped. A file that is missing, empty, over 64 KiB, no
// regular file, or a sink that is wrapped or encrypted, is ErrUnauthenticated at
// Login.
func TokenFile(path string) api.AuthMethod {
	return &tokenFile{credential: credential{what: "token", file: path}}
}

type tokenFile struct {
	credential
	mu   sync.Mutex
	last sighting
}

// A sighting is the token of a file, and the file as it was then.
type sighting struct {
	token hush.Value
	info  fs.FileInfo
	sure  bool // a file that looks as info does holds the same token
}

// Login returns the token of the file.
func (t *tokenFile) Login(context.Context, *api.Client) (*api.Secret, error) {
	if t.file == "" {
		return nil, errUnable("the token file has no path")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now, err := t.look()
	if err != nil {
		return nil, err
	}
	t.last = now
	return bearer(now.token.Reveal()), nil
}

// changed reports whether the file holds a token, and another than the last. It
// reads the file only if its looks leave a doubt.
func (t *tokenFile) changed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	info, err := os.Stat(t.file)
	if err != nil || t.last.sure && alike(t.last.info, info) {
		return false
	}
	now, err := t.look()
	if err != nil {
		return false
	}
	if !now.token.Equal(t.last.token) {
		return true
	}
	t.last = now
	return false
}

// look reads the file. The state and the token belong to the same descriptor. A write
// after the state was taken shows in the next state.
func (t *tokenFile) look() (sighting, error) {
	now := time.Now()
	token, info, err := t.readFile()
	if err != nil {
		return sighting{}, err
	}
	if err := t.checkToken(token); err != nil {
		return sighting{}, err
	}
	return sighting{hush.NewValue([]byte(token)), info, now.Sub(info.ModTime()) > fileTick}, nil
}

func alike(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
