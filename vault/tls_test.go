package vault_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
)

// certificate returns the node's certificate, which is its own CA.
func certificate(n *node) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: n.Certificate().Raw})
}

// newPair returns a client certificate for name and its key.
func newPair(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	secret, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})
}

func TestTrustedCAs(t *testing.T) {
	n := newTLSNode(t, serves)
	other, _ := newPair(t, "another CA")
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "ca.pem"), string(certificate(n)))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "..data"), 0o700))
	writeFile(t, filepath.Join(dir, "..data", "x"), "not for us")
	require.NoError(t, os.Symlink("..data", filepath.Join(dir, "link")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "more"), 0o700))
	writeFile(t, filepath.Join(dir, "more", "other.pem"), string(other))
	for name, opts := range map[string]vault.ClientOptions{
		"file":   {CAFile: file},
		"text":   {CAPEM: append(other, certificate(n)...)},
		"folder": {CAFile: dir},
		"name":   {CAFile: file, ServerName: "example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			clearVaultVariables(t)
			opts.Addresses = []string{n.URL}
			assert.NoError(t, request(t, newClient(t, &opts), http.MethodGet), name)
		})
	}
	for variable, value := range map[string]string{"VAULT_CACERT": file, "VAULT_CACERT_BYTES": string(certificate(n)), "VAULT_CAPATH": filepath.Dir(newFile(t, string(certificate(n))))} {
		clearVaultVariables(t)
		t.Setenv(variable, value)
		assert.NoError(t, request(t, newClient(t, &vault.ClientOptions{Addresses: []string{n.URL}}), http.MethodGet), variable)
	}
	clearVaultVariables(t) // the official client's order
	t.Setenv("VAULT_CACERT", file)
	t.Setenv("VAULT_CACERT_BYTES", string(other))
	assert.NoError(t, request(t, newClient(t, &vault.ClientOptions{Addresses: []string{n.URL}}), http.MethodGet))
}

// With HTTP/2, all requests would share one connection.
func TestHTTP2IsNotUsed(t *testing.T) {
	var major int
	n := &node{}
	n.Server = httptest.NewUnstartedServer(n.record(func(w http.ResponseWriter, r *http.Request) {
		major = r.ProtoMajor
		serves(w, r)
	}))
	n.EnableHTTP2 = true
	n.StartTLS()
	t.Cleanup(n.Close)
	clearVaultVariables(t)
	require.NoError(t, request(t, newClient(t, &vault.ClientOptions{Addresses: []string{n.URL}, CAPEM: certificate(n)}), http.MethodGet))
	assert.Equal(t, 1, major)
}

// Nothing is retried: each connection is counted.
func TestUntrustedCertificateReceivesNoToken(t *testing.T) {
	n := newTLSNode(t, serves)
	other, _ := newPair(t, "another CA")
	for name, opts := range map[string]vault.ClientOptions{
		"the system's CAs": {},
		"another CA":       {CAPEM: other},
		"another name":     {CAPEM: certificate(n), ServerName: "vault.internal"},
	} {
		t.Run(name, func(t *testing.T) {
			clearVaultVariables(t)
			opts.Addresses = []string{n.URL}
			opts.Token = hush.NewValue([]byte(nodeToken))
			client := newClient(t, &opts)
			client.SetMinRetryWait(time.Hour)
			_, err := vault.New(client, &vault.Options{KV: 1, Timeout: time.Minute}).Get(t.Context(), hush.Name("app"))
			assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), name)
			assert.ErrorContains(t, err, "certificate", name)
		})
	}
	assert.Empty(t, n.requests())
}

func TestInvalidTLSFilesAreRejected(t *testing.T) {
	dir := t.TempDir()
	cert, key := newPair(t, "x")
	broken := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(clientCanary)})
	noPEM := writeFile(t, filepath.Join(dir, "no.pem"), clientCanary)
	clearVaultVariables(t)
	for says, opts := range map[string]vault.ClientOptions{
		"the CA file does not exist":              {CAFile: "/nonexistent/" + clientCanary},
		"the CA file has no PEM certificate":      {CAFile: noPEM},
		"the CA folder has no files":              {CAFile: t.TempDir()},
		`the CA file "no.pem" has no PEM`:         {CAFile: dir},
		"has an invalid certificate":              {CAPEM: append(cert, broken...)},
		"PEM text of the CA has no PEM":           {CAPEM: key},
		"CAFile and CAPEM are both set":           {CAFile: noPEM, CAPEM: cert},
		"the client certificate has no key":       {ClientCertFile: noPEM},
		"the client key has no certificate":       {ClientKeyFile: noPEM},
		"key do not match":                        {ClientCertFile: noPEM, ClientKeyFile: noPEM},
		"the file of the client certificate does": {ClientCertFile: "/nonexistent/" + string(key), ClientKeyFile: noPEM},
		"the file of the client key does not":     {ClientCertFile: noPEM, ClientKeyFile: string(key)},
	} {
		t.Run(says, func(t *testing.T) {
			opts.Addresses = []string{"https://a"}
			_, err := vault.NewClient(&opts)
			require.ErrorContains(t, err, says)
			assert.NotContains(t, err.Error(), clientCanary)
			assert.NotContains(t, err.Error(), "PRIVATE KEY")
		})
	}
}

// The files are replaced while the program runs, and are invalid for a moment.
func TestClientCertificateIsReadForEachConnection(t *testing.T) {
	var subject string
	n := &node{}
	n.Server = httptest.NewUnstartedServer(n.record(func(w http.ResponseWriter, r *http.Request) {
		subject = r.TLS.PeerCertificates[0].Subject.CommonName
		serves(w, r)
	}))
	n.Config.ErrorLog = quiet
	n.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	n.StartTLS()
	t.Cleanup(n.Close)
	clearVaultVariables(t)
	require.Error(t, request(t, newClient(t, &vault.ClientOptions{Addresses: []string{n.URL}, CAPEM: certificate(n)}), http.MethodGet))

	dir := t.TempDir()
	files := [2]string{filepath.Join(dir, "cert"), filepath.Join(dir, "key")}
	replace := func(cert, key []byte) {
		writeFile(t, files[0], string(cert))
		writeFile(t, files[1], string(key))
		n.CloseClientConnections()
	}
	replace(newPair(t, "first"))
	client := newClient(t, &vault.ClientOptions{Addresses: []string{n.URL}, CAPEM: certificate(n), ClientCertFile: files[0], ClientKeyFile: files[1]})
	require.NoError(t, request(t, client, http.MethodGet))
	assert.Equal(t, "first", subject)
	replace(newPair(t, "second"))
	require.NoError(t, request(t, client, http.MethodPut))
	assert.Equal(t, "second", subject)
	replace(nil, nil)
	require.NoError(t, request(t, client, http.MethodGet))
	assert.Equal(t, "second", subject, "the last valid certificate")
}
