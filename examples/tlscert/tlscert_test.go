package tlscert_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/examples/tlscert"
	"github.com/hush-secrets/hush/providertest"
)

var (
	serverRef = hush.Name("prod/tls/server")
	clientRef = hush.Name("prod/tls/client")
)

// authority has the certificates that servers and clients trust.
type authority struct{ *x509.CertPool }

// issue returns a certificate for 127.0.0.1, by its serial number, and its key.
func (a authority) issue(serial int64) (cert, key []byte) {
	private, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := x509.Certificate{
		SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{{127, 0, 0, 1}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, _ := x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	inside, _ := x509.MarshalPKCS8PrivateKey(private)
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	a.AppendCertsFromPEM(cert)
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: inside})
}

// pair returns a secret with a certificate and its key.
func (a authority) pair(serial int64) []byte {
	cert, key := a.issue(serial)
	return append(cert, key...)
}

// faults collects the errors of a Pair.
type faults struct {
	mu   sync.Mutex
	errs []error
}

func (f *faults) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

// listen starts a server that sends each client the serial number of the client's
// certificate.
func listen(t *testing.T, config *tls.Config) (address string) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	require.NoError(t, err)
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer conn.Close()
				tlsConn := conn.(*tls.Conn)
				if tlsConn.HandshakeContext(t.Context()) == nil {
					io.WriteString(conn, tlsConn.ConnectionState().PeerCertificates[0].SerialNumber.String())
				}
			})
		}
	})
	t.Cleanup(func() {
		assert.NoError(t, listener.Close())
		group.Wait()
	})
	return listener.Addr().String()
}

// connect opens a connection and returns the serial numbers that the client and the
// server received.
func connect(t *testing.T, address string, config *tls.Config) (servers, clients string, err error) {
	t.Helper()
	conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		return "", "", err
	}
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	text, err := io.ReadAll(conn)
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String(), string(text), err
}

// world is a server and a client with certificates from one store.
type world struct {
	authority
	store   providertest.Map
	faults  faults
	cache   *cachettl.Cache
	address string
	client  *tls.Config
}

func start(t *testing.T) *world {
	t.Helper()
	w := &world{authority: authority{x509.NewCertPool()}}
	w.cache = cachettl.New(&w.store, time.Hour, nil)
	t.Cleanup(func() { assert.NoError(t, w.cache.Close()) })
	server := tlscert.New(w.cache, serverRef, w.faults.add)
	client := tlscert.New(w.cache, clientRef, w.faults.add)
	w.address = listen(t, &tls.Config{
		GetCertificate: server.GetCertificate, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: w.CertPool,
	})
	w.client = &tls.Config{GetClientCertificate: client.GetClientCertificate, RootCAs: w.CertPool}
	return w
}

func (w *world) assertSerials(t *testing.T, servers, clients string) {
	t.Helper()
	s, c, err := connect(t, w.address, w.client)
	require.NoError(t, err)
	assert.Equal(t, servers+" "+clients, s+" "+c)
}

func TestRotationNeedsNoRestart(t *testing.T) {
	w := start(t)
	w.store.Put(serverRef.Name, w.pair(1))
	w.store.Put(clientRef.Name, w.pair(2))
	w.assertSerials(t, "1", "2")

	w.store.Put(serverRef.Name, w.pair(3))
	w.assertSerials(t, "1", "2") // from the cache
	w.cache.Forget(serverRef)
	w.assertSerials(t, "3", "2")
	w.store.Put(clientRef.Name, w.pair(4))
	w.cache.Forget(clientRef)
	w.assertSerials(t, "3", "4")
	assert.Empty(t, w.faults.errs)
}

func TestAnInvalidVersionDoesNotReplaceAValidOne(t *testing.T) {
	for name, broken := range map[string]func(a authority) []byte{
		"not PEM":       func(authority) []byte { return []byte("canary") },
		"empty":         func(authority) []byte { return nil },
		"no key":        func(a authority) []byte { cert, _ := a.issue(9); return cert },
		"no cert":       func(a authority) []byte { _, key := a.issue(9); return key },
		"another's key": func(a authority) []byte { cert, _ := a.issue(9); _, key := a.issue(9); return append(cert, key...) },
		"a strange block": func(authority) []byte {
			return pem.EncodeToMemory(&pem.Block{Type: "canary", Bytes: []byte("canary")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			w.store.Put(serverRef.Name, w.pair(1))
			w.store.Put(clientRef.Name, w.pair(2))
			w.assertSerials(t, "1", "2")
			for _, ref := range []hush.Ref{serverRef, clientRef} {
				w.store.Put(ref.Name, broken(w.authority))
				w.cache.Forget(ref)
				w.assertSerials(t, "1", "2")
				w.assertSerials(t, "1", "2")
			}
			require.Len(t, w.faults.errs, 2, "each error is reported once")
			for i, ref := range []hush.Ref{serverRef, clientRef} {
				err := w.faults.errs[i]
				assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
				assert.ErrorContains(t, err, ref.Name)
				assert.ErrorContains(t, err, `"v2"`)
				assert.NotContains(t, err.Error(), "canary")
			}

			w.store.Put(serverRef.Name, w.pair(5))
			w.store.Put(clientRef.Name, w.pair(6))
			w.cache.Forget()
			w.assertSerials(t, "5", "6")
		})
	}
}

func TestHandshakeFailsWithoutAValidVersion(t *testing.T) {
	w := start(t)
	w.store.Put(clientRef.Name, w.pair(2))
	_, _, err := connect(t, w.address, w.client)
	assert.Error(t, err, "the server has none")

	w.store.Put(serverRef.Name, w.pair(1))
	for _, broken := range []string{"", "broken"} {
		w.client.GetClientCertificate = tlscert.New(w.cache, clientRef, w.faults.add).GetClientCertificate
		w.store.Put(clientRef.Name, []byte(broken))
		w.cache.Forget()
		for range 2 {
			_, _, err = connect(t, w.address, w.client)
			assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "%q", broken)
			assert.ErrorContains(t, err, clientRef.Name)
		}
	}
	w.store.Delete(clientRef.Name)
	w.cache.Forget()
	_, _, err = connect(t, w.address, w.client)
	assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err))
	assert.Len(t, w.faults.errs, 2)
}

func TestGetParsesAValueOnce(t *testing.T) {
	a := authority{x509.NewCertPool()}
	var m providertest.Map
	text := a.pair(1)
	m.Put(serverRef.Name, text)
	pair := tlscert.New(&m, serverRef, nil)
	first, err := pair.Get(t.Context())
	require.NoError(t, err)
	m.Put(serverRef.Name, text)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			again, err := pair.Get(t.Context())
			assert.NoError(t, err)
			assert.Same(t, first, again)
		})
	}
	group.Wait()

	m.Put(serverRef.Name, []byte("broken")) // without onError
	again, err := pair.Get(t.Context())
	require.NoError(t, err)
	assert.Same(t, first, again)
	m.Script(providertest.Step{Err: errors.New("away")})
	_, err = pair.Get(t.Context())
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "only a cache serves stale secrets")
}
