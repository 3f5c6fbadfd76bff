package vault

import (
	"context"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/internal/call"
)

// ReaderOptions are the settings of a Reader.
type ReaderOptions struct {
	// Mounts are the paths of the engines that may be read, such as "database" or "aws".
	// A Ref names a secret and must not be able to choose any mount. The mounts that
	// Vault uses for itself (sys, auth, identity and cubbyhole) are not allowed. Empty
	// means that nothing may be read.
	Mounts []string

	// Auth is the login method, as in Options.
	Auth api.AuthMethod

	// Timeout limits a Get, as in Options, and Close. Zero means 5 s. A negative value
	// means no timeout for Get, and 5 s for Close.
	Timeout time.Duration

	// RevokeOnClose makes Close revoke the leases of the secrets that the Reader returned.
	// This deletes a database user, for example. False means that the leases expire.
	RevokeOnClose bool
}

// A Reader reads API paths such as "database/creds/app" below the allowed mounts. It
// keeps a leased secret until the lease expires.
//
// The secret expires with its lease, or with the token that requested the lease if that
// is sooner. On use after two thirds of the lease, the Reader renews it and returns the
// same secret with a new Expires. Shortly before the end, or if Vault refuses the
// renewal, the Reader requests a new secret, once for all callers. A fresh read requests
// a new secret, too. [hush.Ref.NewerThan] does so only if the Reader still has the
// rejected secret. The Version of a secret is the last part of the lease's ID.
type Reader struct {
	session *session
	mounts  []string
	revoke  bool

	mu        sync.Mutex
	slots     map[string]*slot
	cleanupAt int      // the number of slots at which expired ones are dropped
	replaced  []*lease // callers may still use these
	closed    bool
}

var _ hush.Provider = (*Reader)(nil)

// NewReader returns a Reader that uses a copy of client. Nil opts means the defaults,
// with which nothing may be read. NewReader contacts no store and does not fail: if an
// option is invalid, each Get fails with ErrUnavailable.
func NewReader(client *api.Client, opts *ReaderOptions) *Reader {
	if opts == nil {
		opts = &ReaderOptions{}
	}
	r := &Reader{session: newSession(client, opts.Auth, opts.Timeout), revoke: opts.RevokeOnClose, slots: map[string]*slot{}}
	for _, path := range opts.Mounts {
		mount, err := checkMount(path)
		r.session.reject(err)
		r.mounts = append(r.mounts, mount+"/")
	}
	return r
}

// Get reads the secret at the path that is the name of ref. Its value is the data as a
// JSON object with sorted keys. If the path is not below ReaderOptions.Mounts,
// Get fails with ErrDenied and sends no request. A Version or a Stage is ErrUnsupported.
func (r *Reader) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	return r.session.call(ctx, ref, r.read)
}

func (r *Reader) read(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if ref.Version != "" || ref.Key().Stage != "" {
		return hush.Secret{}, call.Failf(hush.ErrUnsupported, "leased secrets have no versions and no stages")
	}
	if err := checkName(ref.Name); err != nil {
		return hush.Secret{}, err
	}
	if err := r.checkAllowed(ref.Name); err != nil {
		return hush.Secret{}, err
	}
	if r.isClosed() {
		return hush.Secret{}, errClosed
	}
	return r.getLeased(ctx, ref)
}

// checkAllowed returns ErrDenied for a path that is not below a mount, or that is below a
// reserved mount if a folder in it is a namespace.
func (r *Reader) checkAllowed(name string) error {
	for _, mount := range r.mounts {
		rest, ok := strings.CutPrefix(name, mount)
		if !ok {
			continue
		}
		for folder := range strings.SplitSeq(path.Dir(rest), "/") {
			if isReserved(folder) {
				return call.Failf(hush.ErrDenied, "%s/ below %q is reserved for Vault itself if that is a namespace, and is never read", folder, mount)
			}
		}
		return nil
	}
	if len(r.mounts) == 0 {
		return call.Failf(hush.ErrDenied, "no path may be read: set ReaderOptions.Mounts")
	}
	return call.Failf(hush.ErrDenied, "the path is not below a mount that may be read: %s", strings.Join(r.mounts, ", "))
}
