// Package netfault describes why a request over a network had no response. It quotes
// nothing that was received.
package netfault

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
)

// A DialError is a failure to connect: the server received nothing.
type DialError struct{ text string }

// Error returns the text of the failure.
func (e *DialError) Error() string { return e.text }

// Reason returns why there is no response. It quotes only a failure to connect, which is
// a DialError. Later errors may quote what was received.
func Reason(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return &DialError{op.Error()}
	}
	if invalid, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("the endpoint's certificate is not trusted (%T)", invalid.Err)
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return errors.New(number.Error())
	}
	switch {
	case TimedOut(err):
		return errors.New("timeout without a response")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed before the response")
	case errors.Is(err, http.ErrSchemeMismatch):
		return errors.New("the endpoint uses http and not https")
	}
	return fmt.Errorf("no valid response (%T)", innermost(err))
}

// TimedOut reports whether err is or wraps a timeout.
func TimedOut(err error) bool {
	timer, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timer.Timeout()
}

// innermost returns the last error in the chain of err. Its type is the most specific.
func innermost(err error) error {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err
}
