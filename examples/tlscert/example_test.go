package tlscert_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/examples/tlscert"
	"github.com/hush-secrets/hush/providertest"
)

// The certificate of a running server is rotated, first to an invalid version.
func Example() {
	trusted := authority{x509.NewCertPool()}
	var store providertest.Map
	store.Put("prod/tls/server", trusted.pair(1))

	secrets := cachettl.New(&store, time.Hour, &cachettl.Options{StaleIfError: 24 * time.Hour})
	defer secrets.Close()
	pair := tlscert.New(secrets, serverRef, func(err error) { fmt.Println("alarm:", err) })

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{TLSConfig: &tls.Config{GetCertificate: pair.GetCertificate}}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	defer server.Close()

	client := http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trusted.CertPool}, DisableKeepAlives: true, // one handshake for each request
	}}
	show := func() {
		response, err := client.Get("https://" + listener.Addr().String())
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = response.Body.Close()
		fmt.Println("serial number", response.TLS.PeerCertificates[0].SerialNumber)
	}
	show()
	for _, next := range [][]byte{[]byte("oops"), trusted.pair(2)} {
		store.Put("prod/tls/server", next)
		secrets.Forget() // in a program, the TTL ends
		show()
	}
	// Output:
	// serial number 1
	// alarm: map: "prod/tls/server": unavailable: version "v2" is not a certificate with its private key, in PEM
	// serial number 1
	// serial number 2
}
