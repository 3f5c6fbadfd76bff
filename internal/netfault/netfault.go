// Package netfault puts into words why a call over a network had no answer, and
// quotes nothing that was received.
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

func (e *DialError) Error() string { return e.text }

// Reason returns why there is no response. It quotes only a failure to connect, which is
// a DialError. Later errors may quote what was received.
func Reason(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return &DialError{op.Error()}
	}
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("the endpoint's certificate is not accepted (%T)", untrusted.Err)
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return errors.New(number.Error())
	}
	switch {
	case TimedOut(err):
		return errors.New("no answer in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed before an answer came")
	case errors.Is(err, http.ErrSchemeMismatch):
		return errors.New("the endpoint uses http and not https")
	}
	return fmt.Errorf("no usable answer (%T)", innermost(err))
}

// TimedOut reports whether err, or what it wraps, calls itself a time-out.
func TimedOut(err error) bool {
	timer, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timer.Timeout()
}

// innermost returns the last error of the chain below err, whose type says most.
func innermost(err error) error {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err
}
