package vault

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush/internal/secretfile"
)

// maxPEM bounds a file of certificates. A system's bundle has a quarter of it.
const maxPEM = 1 << 20

// trusted returns the CAs to trust; nil is the system's.
func trusted(opts *ClientOptions, e environment) (*x509.CertPool, error) {
	file, pem, folder := opts.CAFile, string(opts.CAPEM), opts.CAPath
	var sources []string
	for _, o := range []struct{ field, given string }{{"CAFile", file}, {"CAPEM", pem}, {"CAPath", folder}} {
		if o.given != "" {
			sources = append(sources, o.field)
		}
	}
	if len(sources) > 1 {
		return nil, fmt.Errorf("%s and %s are both set, and only one can be meant", e.called(sources[0]), e.called(sources[1]))
	}
	for _, v := range []struct {
		variable string
		option   *string
	}{{api.EnvVaultCACert, &file}, {api.EnvVaultCACertBytes, &pem}, {api.EnvVaultCAPath, &folder}} {
		found := e.get(v.variable)
		switch {
		case found == "" || found == *v.option:
		case len(sources) > 0:
			return nil, e.conflict(sources[0], v.variable)
		default:
			*v.option = found
		}
	}
	switch { // in the order of the official client
	case file != "":
		return poolOf(file)
	case pem != "":
		pool := x509.NewCertPool()
		return pool, addPEM(pool, []byte(pem), "the PEM text of the CA")
	case folder != "":
		return poolBelow(folder)
	}
	return nil, nil
}

// poolOf returns the certificates of a file.
func poolOf(file string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	return pool, addFile(pool, file, "the CA file")
}

// poolBelow returns the certificates of the files below a folder. Names with a dot in
// front are left out: Kubernetes puts its own bookkeeping there.
func poolBelow(folder string) (*x509.CertPool, error) {
	pool, files := x509.NewCertPool(), 0
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		hidden := path != folder && strings.HasPrefix(entry.Name(), ".")
		switch {
		case err != nil:
			return fmt.Errorf("the CA folder %s", secretfile.Reason(err))
		case entry.IsDir() && hidden:
			return fs.SkipDir
		case entry.IsDir() || hidden:
			return nil
		}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return nil // a link
		}
		files++
		return addFile(pool, path, fmt.Sprintf("the file %q of the CA folder", entry.Name()))
	})
	if err == nil && files == 0 {
		err = errors.New("the CA folder has no files, and so nobody would be trusted")
	}
	return pool, err
}

func addFile(pool *x509.CertPool, file, what string) error {
	content, err := secretfile.Read(file, maxPEM)
	if err != nil {
		return fmt.Errorf("%s %s", what, secretfile.Reason(err))
	}
	return addPEM(pool, content, what)
}

// addPEM adds the certificates of a PEM text, of which there is one at least and none
// that cannot be read: x509 itself would leave that out without a word.
func addPEM(pool *x509.CertPool, text []byte, what string) error {
	found := false
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("%s has a certificate that is broken: make it anew", what)
		}
		pool.AddCert(certificate)
		found = true
	}
	if !found {
		return fmt.Errorf("%s has no PEM certificate: it takes that of the CA which signed Vault's, from BEGIN CERTIFICATE to END CERTIFICATE", what)
	}
	return nil
}

// A keyPair is a client certificate whose files may be replaced.
type keyPair struct {
	cert, key string
	last      atomic.Pointer[tls.Certificate]
}

// clientPair returns the client certificate; nil is none.
func clientPair(opts *ClientOptions, e environment) (*keyPair, error) {
	cert, err := e.text("ClientCertFile", opts.ClientCertFile, api.EnvVaultClientCert)
	if err != nil {
		return nil, err
	}
	key, err := e.text("ClientKeyFile", opts.ClientKeyFile, api.EnvVaultClientKey)
	switch {
	case err != nil:
		return nil, err
	case cert == "" && key == "":
		return nil, nil
	case key == "":
		return nil, fmt.Errorf("a client certificate without its key: set %s or %s", e.called("ClientKeyFile"), api.EnvVaultClientKey)
	case cert == "":
		return nil, fmt.Errorf("the key of a client certificate without that: set %s or %s", e.called("ClientCertFile"), api.EnvVaultClientCert)
	}
	p := &keyPair{cert: cert, key: key}
	if err := p.load(); err != nil {
		return nil, err
	}
	return p, nil
}

// get returns the certificate as it is now, or as it was, if the files are being
// replaced. It is given whatever CAs the server names: an auth method of Vault that
// takes certificates has others.
func (p *keyPair) get(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	_ = p.load()
	return p.last.Load(), nil
}

func (p *keyPair) load() error {
	cert, err := secretfile.Read(p.cert, maxPEM)
	if err != nil {
		return fmt.Errorf("the file of the client certificate %s", secretfile.Reason(err))
	}
	key, err := secretfile.Read(p.key, maxPEM)
	if err != nil {
		return fmt.Errorf("the file of the client certificate's key %s", secretfile.Reason(err))
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil { // which may quote what it read
		return errors.New("the client certificate and its key do not belong together, or are not PEM, or the key is encrypted")
	}
	p.last.Store(&pair)
	return nil
}

// newTLSConfig returns how TLS is spoken.
func newTLSConfig(opts *ClientOptions, e environment) (*tls.Config, error) {
	unverified, err := e.unverified(opts.InsecureSkipVerify)
	if err != nil {
		return nil, err
	}
	serverName, err := e.text("ServerName", opts.ServerName, api.EnvVaultTLSServerName)
	if err != nil {
		return nil, err
	}
	pool, err := trusted(opts, e)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            pool,
		ServerName:         serverName,
		InsecureSkipVerify: unverified, //nolint:gosec // by an option that says so, and logged
	}
	pair, err := clientPair(opts, e)
	if pair != nil {
		config.GetClientCertificate = pair.get
	}
	return config, err
}
