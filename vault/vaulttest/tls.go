package vaulttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// An authority is a certificate authority with what it signed, one certificate
// for the server and one for its clients.
type authority struct {
	root                  []byte // PEM, as the two below
	clientCert, clientKey []byte
	server, client        *tls.Config
}

type signed struct {
	cert      *x509.Certificate
	key       *ecdsa.PrivateKey
	certPEM   []byte
	keyPEM    []byte
	presented tls.Certificate
}

func newAuthority(askClients bool) (*authority, error) {
	root, err := sign(nil, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "vaulttest"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	if err != nil {
		return nil, err
	}
	server, err := sign(root, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "vault"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return nil, err
	}
	client, err := sign(root, &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "app"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, err
	}
	return assemble(root, server, client, askClients), nil
}

func assemble(root, server, client *signed, askClients bool) *authority {
	pool := x509.NewCertPool()
	pool.AddCert(root.cert)
	made := &authority{
		root: root.certPEM, clientCert: client.certPEM, clientKey: client.keyPEM,
		server: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{server.presented}},
		client: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{client.presented}, RootCAs: pool},
	}
	if askClients {
		made.server.ClientAuth, made.server.ClientCAs = tls.RequireAndVerifyClientCert, pool
	}
	return made
}

// sign makes a key and a certificate for it that parent signed, or that signed
// itself without one.
func sign(parent *signed, template *x509.Certificate) (*signed, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0)
	issuer, signer := template, key
	if parent != nil {
		issuer, signer = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	return newSigned(der, key)
}

func newSigned(der []byte, key *ecdsa.PrivateKey) (*signed, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return &signed{
		cert: cert, key: key,
		certPEM:   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyPEM:    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: plain}),
		presented: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
	}, nil
}
