package netfault_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush/internal/netfault"
)

func TestReason(t *testing.T) {
	const canary = "canary"
	within := func(err error) error { return &url.Error{Op: "Get", URL: "http://" + canary, Err: err} }
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for want, err := range map[string]error{
		"dial tcp 127.0.0.1:1: connect: connection refused":                      within(refused),
		"the endpoint's certificate is not trusted (x509.UnknownAuthorityError)": within(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}),
		"connection reset by peer":                                               within(&net.OpError{Op: "read", Net: canary, Err: syscall.ECONNRESET}),
		"timeout without a response":                                             within(context.DeadlineExceeded),
		"the connection was closed before the response":                          within(fmt.Errorf("%s: %w", canary, io.ErrUnexpectedEOF)),
		"no valid response (*errors.errorString)":                                within(errors.New(canary)),
		"the endpoint uses http and not https":                                   within(fmt.Errorf("%s: %w", canary, http.ErrSchemeMismatch)),
	} {
		got := netfault.Reason(err)
		assert.EqualError(t, got, want)
		assert.NotErrorIs(t, got, err, "nothing of it is wrapped")
	}
	assert.False(t, netfault.TimedOut(errors.New("x")))
}
