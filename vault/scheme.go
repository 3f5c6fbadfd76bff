package vault

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/params"
	"github.com/hush-secrets/hush/vault/auth"
)

// defaultPort is Vault's own. A URL of the scheme vault has it, as one of https does
// not.
const defaultPort = "8200"

// parameters are those of every URL; the auth methods have theirs.
var parameters = []string{
	"auth", "ca_file", "ca_path", "client_cert_file", "client_key_file", "kv", "mounts", "namespace",
	"revoke", "server_name", "timeout", "tls",
}

// Scheme returns the scheme "vault", whose URLs are
//
//	vault://host:8200,other:8200/mount?key=value
//
// The hosts are the nodes of one cluster, spoken to over https; a port that is left
// out is 8200, but where there are several, the last needs one. Without a host the
// address is that of VAULT_ADDR, and without that every Get is ErrAbsent. The mount
// is the path of a KV engine, by default "secret". The VAULT_ variables serve as
// [ClientOptions] says.
//
// These parameters go with every URL:
//
//	kv                 1 or 2; left out, it is found out
//	mounts             such as database,aws: read leased and other secrets below
//	                   these mounts by full paths, and no KV engine
//	revoke             true: revoke the leases when the provider is closed
//	namespace          of Vault Enterprise or OpenBao
//	timeout            of a Get, such as 3s
//	ca_file, ca_path, client_cert_file, client_key_file, server_name
//	tls                false: http, over which the token and the secrets can be
//	                   read on the way. That is for loopback, and for networks
//	                   that encrypt by themselves; a URL that says it is believed
//	auth               how to log in, with the parameters below
//
// The auth methods and their parameters:
//
//	token              token_env, a variable's name; left out, it is VAULT_TOKEN, or
//	                   the token of vault login in ~/.vault-token, if the address
//	                   is that of VAULT_ADDR or VAULT_AGENT_ADDR
//	token_file         the parameter of that name
//	approle            role_id; secret_id_file or secret_id_env; wrapped (true or
//	                   false); auth_mount
//	kubernetes         role, jwt_file, auth_mount
//	jwt                role; jwt_file or jwt_env; auth_mount
//
// Without auth it is token_file if there is that parameter, else token. methods are
// further ones; one with the name of these replaces it.
//
// A parameter that the chosen method does not use is an error, and so is a
// credential anywhere in the URL. The provider that Open returns has a Close.
func Scheme(methods ...auth.Method) hush.Scheme {
	s := schemer{methods: append(slices.Clone(methods), auth.Methods()...)}
	return hush.Scheme{Name: source, Open: s.open}
}

// A schemer opens URLs with its methods.
type schemer struct{ methods []auth.Method }

func (s schemer) open(_ context.Context, u *url.URL) (hush.Provider, error) {
	v := params.ParseHost(u, s.known()...)
	auth := s.auth(v)
	p := newPlan(u, v)
	p.auth = auth
	if err := v.Err(); err != nil {
		return nil, err
	}
	client, err := newClient(p.client, inURL)
	switch {
	case hush.ClassOf(err) == hush.ErrAbsent:
		return absent(err), nil
	case err != nil:
		return nil, err
	}
	return p.provider(client)
}

// known returns every parameter that there is.
func (s schemer) known() []string {
	known := slices.Clone(parameters)
	for _, m := range s.methods {
		known = append(known, m.Params...)
	}
	slices.Sort(known)
	return slices.Compact(known)
}

// A plan is what a URL asks for.
type plan struct {
	client  *ClientOptions
	auth    api.AuthMethod
	timeout time.Duration
	mount   string
	kv      int
	mounts  []string // not nil: a Reader of these
	revoke  bool
}

// newPlan returns what u asks for, and adds to v what cannot be.
func newPlan(u *url.URL, v *params.Values) plan {
	p := plan{timeout: v.Duration("timeout"), revoke: v.Bool("revoke"), mount: u.Path}
	if p.mount == "/" {
		p.mount = ""
	}
	if v.Has("mounts") {
		p.mounts = strings.Split(v.Text("mounts"), ",")
	}
	switch v.Text("kv") {
	case "":
	case "1":
		p.kv = 1
	case "2":
		p.kv = 2
	default:
		v.Add(errors.New(`parameter "kv" is 1 or 2`))
	}
	p.check(v)
	p.client = clientOptions(u, v)
	return p
}

// check adds what does not go together in p, or is no mount.
func (p *plan) check(v *params.Values) {
	if p.mounts == nil && p.revoke {
		v.Add(errors.New(`parameter "revoke" is about leases: it goes with mounts`))
	}
	if p.mounts != nil && v.Has("kv") {
		v.Add(errors.New(`parameter "kv" is about a KV engine: it does not go with mounts`))
	}
	if p.mounts != nil && p.mount != "" {
		v.Add(errors.New(`a path in the URL is the mount of a KV engine: it does not go with the parameter "mounts"`))
	}
	for _, mount := range append(slices.Clone(p.mounts), cmp.Or(p.mount, defaultMount)) {
		_, err := checkMount(mount)
		v.Add(err)
	}
}

// provider returns the provider over client, or why none of its calls could work.
func (p *plan) provider(client *api.Client) (hush.Provider, error) {
	idle := client.CloneConfig().HttpClient.CloseIdleConnections
	if p.mounts != nil {
		reader := NewReader(client, &ReaderOptions{Mounts: p.mounts, Auth: p.auth, Timeout: p.timeout, RevokeOnClose: p.revoke})
		if reader.session.fault != nil {
			return nil, reader.session.fault
		}
		return &openedReader{reader, idle}, nil
	}
	kv := New(client, &Options{Mount: p.mount, KV: p.kv, Auth: p.auth, Timeout: p.timeout})
	if kv.session.fault != nil {
		return nil, kv.session.fault
	}
	return &openedKV{kv, idle}, nil
}

// openedKV and openedReader have a client of their own, and so its connections to
// close.
type openedKV struct {
	*Provider
	idle func()
}

func (o *openedKV) Close() error {
	o.idle()
	return nil
}

type openedReader struct {
	*Reader
	idle func()
}

// VerifyName returns a name below the first mount: about any other, Vault is not asked.
func (o *openedReader) VerifyName() string { return o.mounts[0] + "hush/probe" }

func (o *openedReader) Close() error {
	defer o.idle()
	return o.Reader.Close()
}
