package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/params"
	"github.com/hush-secrets/hush/vault/auth"
)

// defaultPort is the port of a URL of the scheme vault, as of Vault itself.
const defaultPort = "8200"

// Scheme returns the scheme "vault", whose URLs are
//
//	vault://host:8200,other:8200/mount?key=value
//
// The hosts are the nodes of one cluster and use https. The default port is 8200; if
// there are several hosts, the last one needs a port. Without a host, the address is that
// of VAULT_ADDR. If that is not set either, each Get is ErrAbsent. The mount is the path
// of a KV engine; the default is "secret". [ClientOptions] lists the environment variables.
//
// Parameters:
//
//	kv                 the version of the KV engine, 1 or 2; the default is to ask Vault
//	mounts             open a Reader for these mounts instead of a KV engine, such as
//	                   database,aws; names are then full paths
//	revoke             true: Close revokes the leases of the Reader
//	namespace          a namespace of Vault Enterprise or OpenBao
//	timeout            the time limit of a Get, such as 3s
//	ca_file            a PEM file of the trusted CAs, or a folder of such files
//	client_cert_file   the PEM file of the client certificate
//	client_key_file    the PEM file of its key
//	server_name        the name in Vault's certificate
//	tls                false: use http. Others can then read the token and the secrets
//	                   on their way. Use it for loopback and for networks that encrypt
//	                   by themselves.
//	auth               the login method; the default is token_file if that parameter is
//	                   set, else token
//
// Login methods and their parameters:
//
//	token              token_env, the name of a variable; the default is VAULT_TOKEN, or
//	                   the token of "vault login" as in ClientOptions.Token
//	token_file         the parameter of the same name, the path of a file
//	approle            role_id; secret_id_file or secret_id_env; wrapped (true or false);
//	                   auth_mount
//	kubernetes         role, jwt_file, auth_mount
//	jwt                role; jwt_file or jwt_env; auth_mount
//
// methods are further login methods. They take precedence over those with the same name.
//
// A parameter that the login method does not use is an error. A credential in the URL is
// an error, too. The provider that Open returns has a Close method.
func Scheme(methods ...auth.Method) hush.Scheme {
	all := append(loginMethods(methods), auth.Methods()...)
	return hush.Scheme{Name: source, Open: all.open}
}

func (methods loginMethods) open(_ context.Context, u *url.URL) (hush.Provider, error) {
	v := params.ParseHost(u, methods.params()...)
	method := methods.choose(v)
	opts := readerOptions(u, v)
	opts.Auth = method
	kv := Options{Mount: kvMount(u), KV: kvVersion(v), Auth: method, Timeout: opts.Timeout}
	clientOpts := clientOptions(u, v)
	if err := v.Err(); err != nil {
		return nil, err
	}
	client, err := NewClient(clientOpts)
	if e, ok := errors.AsType[*hush.Error](err); ok && e.Class == hush.ErrAbsent {
		return &Provider{session: &session{fault: e}}, nil
	}
	if err != nil {
		return nil, err
	}
	closeIdle := client.CloneConfig().HttpClient.CloseIdleConnections
	if opts.Mounts == nil {
		p := New(client, &kv)
		return open(p.session, &opened{p, "hush/probe", func() error { closeIdle(); return nil }})
	}
	r := NewReader(client, opts)
	return open(r.session, &opened{r, r.mounts[0] + "hush/probe", func() error { defer closeIdle(); return r.Close() }})
}

// An opened provider has its own client, whose connections Close closes.
type opened struct {
	hush.Provider
	verifyName string
	close      func() error
}

// open returns o, or the reason why each of its calls would fail.
func open(s *session, o *opened) (hush.Provider, error) {
	if s.fault != nil {
		return nil, s.fault.Err
	}
	return o, nil
}

// Close closes the idle connections, and a Reader.
func (o *opened) Close() error { return o.close() }

// VerifyName returns a name that config.Config.Verify can read. Vault is not asked for a
// name that is not below an allowed mount.
func (o *opened) VerifyName() string { return o.verifyName }

// readerOptions returns the options of a Reader. Its Mounts are nil for a KV engine. It
// adds to v the parameters that exclude each other.
func readerOptions(u *url.URL, v *params.Values) *ReaderOptions {
	opts := &ReaderOptions{Timeout: v.Duration("timeout"), RevokeOnClose: v.Bool("revoke")}
	mounts := []string{cmp.Or(kvMount(u), defaultMount)}
	if v.Has("mounts") {
		opts.Mounts = strings.Split(v.Text("mounts"), ",")
		mounts = append(mounts, opts.Mounts...)
		if v.Has("kv") {
			v.Add(errors.New(`parameters "kv" and "mounts" exclude each other`))
		}
		if kvMount(u) != "" {
			v.Add(errors.New(`parameter "mounts" excludes a path in the URL, which is the mount of a KV engine`))
		}
	} else if opts.RevokeOnClose {
		v.Add(errors.New(`parameter "revoke" requires "mounts", because a KV engine has no leases`))
	}
	for _, mount := range mounts {
		_, err := checkMount(mount)
		v.Add(err)
	}
	return opts
}

// kvMount returns the path of u as the mount of a KV engine.
func kvMount(u *url.URL) string {
	if u.Path == "/" {
		return ""
	}
	return u.Path
}

func kvVersion(v *params.Values) int {
	switch v.Text("kv") {
	case "":
		return 0
	case "1":
		return 1
	case "2":
		return 2
	}
	v.Add(errors.New(`parameter "kv" must be 1 or 2`))
	return 0
}

func clientOptions(u *url.URL, v *params.Values) *ClientOptions {
	opts := &ClientOptions{
		Namespace: v.Text("namespace"), CAFile: v.Text("ca_file"), ServerName: v.Text("server_name"),
		ClientCertFile: v.Text("client_cert_file"), ClientKeyFile: v.Text("client_key_file"),
	}
	scheme := "https://"
	if v.Has("tls") && !usesTLS(u, v) {
		scheme = "http://"
	}
	if u.Host == "" {
		return opts
	}
	for host := range strings.SplitSeq(u.Host, ",") {
		if at, err := url.Parse(scheme + host); err == nil && at.Port() == "" && !strings.HasSuffix(host, ":") {
			host += ":" + defaultPort
		}
		opts.Addresses = append(opts.Addresses, scheme+host)
	}
	return opts
}

// usesTLS returns the parameter tls. It adds to v the parameters that tls=false excludes.
func usesTLS(u *url.URL, v *params.Values) bool {
	if u.Host == "" {
		v.Add(errors.New(`parameter "tls" requires a host in the URL; without a host, the address in VAULT_ADDR decides`))
	}
	if v.Bool("tls") || v.Text("tls") != "false" {
		return true
	}
	for _, key := range []string{"ca_file", "client_cert_file", "client_key_file", "server_name"} {
		if v.Has(key) {
			v.Add(fmt.Errorf("parameter %q and tls=false exclude each other", key))
		}
	}
	return false
}
