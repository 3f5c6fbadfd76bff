package vault

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
)

// unwrapLimit is how long an unwrap may take, whatever the login's own limit: its
// answer is given once, and is kept for the next login if this one cannot wait.
const unwrapLimit = 30 * time.Second

// An unwrapper exchanges wrapping tokens for the secret ids that they were made for,
// each once, and keeps the last.
type unwrapper struct {
	turn     chan struct{} // holds one while somebody has what is below
	wrapping hush.Value    // what id came out of
	id       hush.Value    // empty: nothing was unwrapped yet
}

// secretID returns the secret id of the wrapping token that find finds. While there
// is none, it returns the last.
func (u *unwrapper) secretID(ctx context.Context, client *api.Client, mount string, find func() (string, error)) (hush.Value, error) {
	select {
	case u.turn <- struct{}{}:
	case <-ctx.Done():
		return hush.Value{}, ctx.Err()
	}
	wrapping, err := find()
	if known := u.id.Len() > 0 && (err != nil || wrapping == u.wrapping.Reveal()); known || err != nil {
		defer u.done()
		if known {
			return u.id, nil
		}
		return hush.Value{}, err
	}
	if err := checkOrigin(ctx, client, mount, wrapping); err != nil {
		u.done()
		return hush.Value{}, err
	}
	return u.unwrap(ctx, client, wrapping)
}

func (u *unwrapper) done() { <-u.turn }

// unwrap ends the turn when Vault has answered, which may be after ctx has ended.
func (u *unwrapper) unwrap(ctx context.Context, client *api.Client, wrapping string) (hush.Value, error) {
	type answer struct {
		id  hush.Value
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		defer u.done()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), unwrapLimit)
		defer cancel()
		id, err := caught(limited, func(ctx context.Context) (hush.Value, error) { return unwrapped(ctx, client, wrapping) })
		if err == nil {
			u.wrapping, u.id = hush.NewValue([]byte(wrapping)), id
		}
		answers <- answer{id, err}
	}()
	select {
	case a := <-answers:
		return a.id, a.err
	case <-ctx.Done():
		return hush.Value{}, ctx.Err()
	}
}

// checkOrigin asks Vault, without using up the wrapping token, what it was made for.
// Whoever can put another one in its place could otherwise choose what this program
// takes for its secret id, and have unwrapped the right one unnoticed.
func checkOrigin(ctx context.Context, client *api.Client, mount, wrapping string) error {
	found, err := withToken(client, "").Logical().WriteWithContext(ctx, "sys/wrapping/lookup", map[string]any{"token": wrapping})
	switch {
	case answeredWith(err, http.StatusBadRequest):
		return errUnwrappable()
	case err != nil:
		return err
	case found == nil:
		return unable(hush.ErrUnavailable, "Vault answered the wrapping token's look-up with nothing")
	}
	origin, _ := found.Data["creation_path"].(string)
	if !madeFor(mount, origin) {
		return errUnable("the wrapping token was not made for a secret id of the auth mount %q: somebody may have put it in the place of the right one", mount)
	}
	return nil
}

// madeFor reports whether path is one where a role of the auth mount gets a secret id.
func madeFor(mount, path string) bool {
	role, ok := strings.CutPrefix(path, "auth/"+mount+"/role/")
	if !ok {
		return false
	}
	role, kind, _ := strings.Cut(role, "/")
	return role != "" && (kind == "secret-id" || kind == "custom-secret-id")
}

// unwrapped uses up the wrapping token and returns the secret id that it was for.
func unwrapped(ctx context.Context, client *api.Client, wrapping string) (hush.Value, error) {
	secret, err := withToken(client, wrapping).Logical().WriteWithContext(ctx, "sys/wrapping/unwrap", nil)
	switch {
	case answeredWith(err, http.StatusBadRequest):
		return hush.Value{}, errUnwrappable()
	case err != nil:
		return hush.Value{}, err
	case secret != nil:
		if id, ok := secret.Data["secret_id"].(string); ok && id != "" {
			return hush.NewValue([]byte(id)), nil
		}
	}
	return hush.Value{}, errUnable("there was no secret id in what the wrapping token was made for")
}

func errUnwrappable() error {
	return errUnable("Vault does not know the wrapping token of the secret id: it expired, or somebody else unwrapped it")
}
