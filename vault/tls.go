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

// maxPEM is the size limit of a file of certificates. It is four times the size of a
// system's bundle.
const maxPEM = 1 << 20

func (s *settings) tlsConfig(opts *ClientOptions) *tls.Config {
	pool, err := s.trustedCAs(opts)
	s.faults.Add(err)
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            pool,
		ServerName:         s.text("server name", opts.ServerName, api.EnvVaultTLSServerName),
		InsecureSkipVerify: s.skipVerify(opts.InsecureSkipVerify), //nolint:gosec // an option that is logged
	}
	pair, err := s.clientCertificate(opts)
	s.faults.Add(err)
	if pair != nil {
		config.GetClientCertificate = pair.get
	}
	return config
}

// skipVerify returns option. The variable alone cannot disable the verification.
func (s *settings) skipVerify(option bool) bool {
	skip, isSet := s.flag(api.EnvVaultSkipVerify)
	if isSet && skip != option {
		s.faults.Add(fmt.Errorf("%s and ClientOptions.InsecureSkipVerify differ: set both or neither", api.EnvVaultSkipVerify))
	}
	return option
}

// trustedCAs returns the CAs to trust, or nil for the system's.
func (s *settings) trustedCAs(opts *ClientOptions) (*x509.CertPool, error) {
	file, text := opts.CAFile, string(opts.CAPEM)
	if file != "" && text != "" {
		return nil, errors.New("ClientOptions.CAFile and CAPEM are both set: unset one of them")
	}
	configured := file + text
	for _, v := range []struct {
		variable string
		target   *string
	}{{api.EnvVaultCACert, &file}, {api.EnvVaultCACertBytes, &text}, {api.EnvVaultCAPath, &file}} { // in the official client's order
		found := s.env(v.variable)
		switch {
		case configured != "" && found != "" && found != configured:
			return nil, conflict("CA", v.variable)
		case file+text == "":
			*v.target = found
		}
	}
	pool := x509.NewCertPool()
	switch {
	case file != "":
		return pool, addPath(pool, file)
	case text != "":
		return pool, addPEM(pool, []byte(text), "the PEM text of the CA")
	}
	return nil, nil
}

// addPath adds the certificates of the file or the folder at root. It skips names that
// begin with a dot, which Kubernetes uses for its own purposes.
func addPath(pool *x509.CertPool, root string) error {
	found := false
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		what, isHidden := "the CA file", false
		if path != root {
			what, isHidden = fmt.Sprintf("the CA file %q", entry.Name()), strings.HasPrefix(entry.Name(), ".")
		}
		switch {
		case err != nil:
			return fmt.Errorf("%s %s", what, secretfile.Reason(err))
		case entry.IsDir() && isHidden:
			return fs.SkipDir
		case entry.IsDir() || isHidden:
			return nil
		}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return nil // a symbolic link
		}
		found = true
		content, err := secretfile.Read(path, maxPEM)
		if err != nil {
			return fmt.Errorf("%s %s", what, secretfile.Reason(err))
		}
		return addPEM(pool, content, what)
	})
	if err == nil && !found {
		err = errors.New("the CA folder has no files: no server would be trusted")
	}
	return err
}

// addPEM adds the certificates of a PEM text. Unlike x509, it rejects a text without a
// certificate or with an invalid one.
func addPEM(pool *x509.CertPool, text []byte, what string) error {
	found := false
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("%s has an invalid certificate: create it again", what)
		}
		pool.AddCert(certificate)
		found = true
	}
	if !found {
		return fmt.Errorf("%s has no PEM certificate: use that of the CA that signed Vault's, from BEGIN CERTIFICATE to END CERTIFICATE", what)
	}
	return nil
}

// A keyPair is a client certificate whose files may be replaced.
type keyPair struct {
	cert, key string
	last      atomic.Pointer[tls.Certificate]
}

// clientCertificate returns the client certificate, or nil.
func (s *settings) clientCertificate(opts *ClientOptions) (*keyPair, error) {
	p := &keyPair{
		cert: s.text("client certificate", opts.ClientCertFile, api.EnvVaultClientCert),
		key:  s.text("client key", opts.ClientKeyFile, api.EnvVaultClientKey),
	}
	switch {
	case p.cert == "" && p.key == "":
		return nil, nil
	case p.key == "":
		return nil, fmt.Errorf("the client certificate has no key: configure one, or set %s", api.EnvVaultClientKey)
	case p.cert == "":
		return nil, fmt.Errorf("the client key has no certificate: configure one, or set %s", api.EnvVaultClientCert)
	}
	err := p.load()
	return p, err
}

// get returns the current certificate, or the last one while the files are replaced. It
// ignores the CAs that the server names, because Vault's auth method for certificates
// has its own.
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
		return fmt.Errorf("the file of the client key %s", secretfile.Reason(err))
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil { // the error may quote the files
		return errors.New("the client certificate and its key do not match, are not PEM, or the key is encrypted")
	}
	p.last.Store(&pair)
	return nil
}
