package http1_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/hush-secrets/hush/internal/http1"
)

// FuzzResponse checks that each response is within the limits, or an error.
func FuzzResponse(f *testing.F) {
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy", "HTTP/1.1 204 No Content\r\n\r\nx", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "HTTP/1.0 200\r\n\r\n", "",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		transport := http1.New(http1.Options{
			MaxHeader: 1 << 10, MaxBody: 1 << 10, MaxIdle: 1, IdleTimeout: time.Minute,
			Dial: func(context.Context, *url.URL) (net.Conn, error) {
				ours, theirs := net.Pipe()
				go func() {
					defer func() { _ = theirs.Close() }()
					if _, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
						_, _ = theirs.Write(sent)
					}
				}()
				return ours, nil
			},
		})
		defer transport.CloseIdleConnections()
		resp, err := transport.RoundTrip(request(t.Context(), t, http.MethodGet, "http://x/", nil))
		if (err == nil) == (resp == nil) {
			t.Fatal("both a response and an error, or neither")
		}
		if err == nil && len(http1.Bytes(resp)) > 1<<10 {
			t.Errorf("a response of %d bytes", len(http1.Bytes(resp)))
		}
	})
}
