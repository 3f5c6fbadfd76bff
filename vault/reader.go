package vault

import (
	"cmp"
	"context"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/limit"
	"github.com/hush-secrets/hush/vault/internal/call"
	"github.com/hush-secrets/hush/vault/internal/route"
)

// ReaderOptions are the settings of a Reader.
type ReaderOptions struct {
	// Mounts are the paths of the engines that may be read, such as "database" or
	// "aws": a Ref names a secret and never chooses the mount. Those that hold
	// Vault's own workings, sys, auth, identity and cubbyhole, are refused. None:
	// nothing may be read.
	Mounts []string

	// Auth logs in, as in Options.
	Auth api.AuthMethod

	// Timeout limits a Get, as in Options, and Close. Zero: 5 s. Negative: none but
	// the caller's, and 5 s for Close.
	Timeout time.Duration

	// RevokeOnClose makes Close revoke the leases of what was given out, at whose end
	// a database user, for example, is gone. False: they end by themselves.
	RevokeOnClose bool
}

// A Reader reads full API paths, such as "database/creds/app", below mounts that it
// is allowed, and keeps what it got there under a lease for as long as that lasts.
//
// A leased secret Expires when its lease ends or the token does that it belongs to.
// On use after two thirds of the lease it is renewed, and the same secret is
// returned with its new Expires; at the end, or where the renewal is refused, a new
// one is asked for, once for all who wait. A fresh read asks for a new one, too, and
// [hush.Ref.NewerThan] only if it does not hold another by now. Its Version is the
// end of the lease's id.
type Reader struct {
	session *session
	mounts  []string
	timeout time.Duration
	revoke  bool

	mu     sync.Mutex
	slots  map[string]*slot
	dropAt int      // the number of slots at which to drop those that have ended
	old    []*lease // what others may still use
	closed bool
}

var _ hush.Provider = (*Reader)(nil)

// NewReader returns a Reader that asks through a copy of client. A nil opts is the
// default, which may read nothing. NewReader contacts nobody and does not fail: an
// option that cannot work is the answer of every Get, as ErrUnavailable.
func NewReader(client *api.Client, opts *ReaderOptions) *Reader {
	if client == nil {
		panic("vault: client is nil")
	}
	if opts == nil {
		opts = &ReaderOptions{}
	}
	timeout := cmp.Or(opts.Timeout, defaultTimeout)
	r := &Reader{
		session: newSession(client, opts.Auth, timeout), timeout: timeout, revoke: opts.RevokeOnClose,
		slots: map[string]*slot{},
	}
	for _, given := range opts.Mounts {
		mount, err := checkMount(given)
		if err != nil {
			r.session.fault = err
		}
		r.mounts = append(r.mounts, mount+"/")
	}
	return r
}

// Get reads what ref names by its full path. Its value is the data as a JSON object
// whose keys are sorted. A path below no mount of ReaderOptions is ErrDenied, without
// a call; a Version or a Stage is ErrUnsupported.
func (r *Reader) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if err := ref.Validate(); err != nil {
		return hush.Secret{}, err
	}
	if err := ctx.Err(); err != nil {
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrCanceled, err)
	}
	limited, cancel := limit.Context(ctx, r.timeout, "Vault")
	defer cancel()
	limited, x := route.WithStatusRecorder(limited)
	secret, err := r.read(limited, ref.Key(), ref)
	if err != nil {
		e := classify(ctx, limited, x, err)
		return hush.Secret{}, hush.NewError(source, ref, e.Class, e.Err)
	}
	return ref.Select(secret)
}

func (r *Reader) read(ctx context.Context, whole, ref hush.Ref) (hush.Secret, error) {
	switch {
	case r.session.fault != nil:
		return hush.Secret{}, call.Failf(hush.ErrUnavailable, "%w", r.session.fault)
	case whole.Version != "" || whole.Stage != "":
		return hush.Secret{}, call.Failf(hush.ErrUnsupported, "what is leased has no versions and no stages")
	}
	if err := checkName(whole); err != nil {
		return hush.Secret{}, err
	}
	if err := r.checkMount(whole.Name); err != nil {
		return hush.Secret{}, err
	}
	if r.isClosed() {
		return hush.Secret{}, errClosed
	}
	return r.lease(ctx, ref)
}

// checkMount refuses a path that is below no mount, or in a part of one that a
// namespace of that name would have.
func (r *Reader) checkMount(full string) error {
	for _, mount := range r.mounts {
		below, ok := strings.CutPrefix(full, mount)
		if !ok {
			continue
		}
		for folder := range strings.SplitSeq(path.Dir(below), "/") {
			if isApart(folder) {
				return call.Failf(hush.ErrDenied, "%s/ below %q holds Vault's own workings if that is a namespace, and is never read", folder, mount)
			}
		}
		return nil
	}
	return call.Failf(hush.ErrDenied, "the path is below none of the mounts that may be read here: %s", r.list())
}

func (r *Reader) list() string {
	if len(r.mounts) == 0 {
		return "there is none"
	}
	return strings.Join(r.mounts, ", ")
}
