// Package httpbody reads HTTP responses that may hold a secret, within a bound.
package httpbody

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

var (
	// ErrTooLarge reports a body that exceeds the bound of its reader.
	ErrTooLarge = errors.New("the response is too large")

	// ErrTruncated reports a body whose Content-Length ends inside its JSON. It wraps
	// io.ErrUnexpectedEOF.
	ErrTruncated = fmt.Errorf("the Content-Length ends inside the JSON: %w", io.ErrUnexpectedEOF)
)

// Read returns the body of response, which must not exceed limit bytes. The caller
// closes the body.
func Read(response *http.Response, limit int64) ([]byte, error) {
	size := response.ContentLength
	switch {
	case size > limit:
		return nil, ErrTooLarge
	case size >= 0:
		body := make([]byte, size)
		_, err := io.ReadFull(response.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if int64(len(body)) > limit {
		return nil, ErrTooLarge
	}
	return body, err
}

// ReadJSON is Read for a response of net/http's transport. If the Content-Length of
// a 200 ends inside its JSON, ReadJSON returns ErrTruncated and does not read the last
// byte. Otherwise net/http would find the rest of the secret on the idle connection
// and print it with package log.
//
// After ErrTruncated and ErrTooLarge, the caller ends the context of the request and
// does not close the body: from Go 1.27 on, Close reads the rest of the body and keeps
// the connection.
func ReadJSON(response *http.Response, limit int64) ([]byte, error) {
	size := response.ContentLength
	if size <= 0 || size > limit || response.StatusCode != http.StatusOK {
		return Read(response, limit)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(response.Body, body[:size-1]); err != nil {
		return nil, err
	}
	if body[0] == '{' && !ends(body) {
		return nil, ErrTruncated
	}
	if _, err := io.ReadFull(response.Body, body[size-1:]); err != nil {
		return nil, err
	}
	return body, nil
}

// ends reports whether the last byte of body, which has not been read, can end its
// JSON: as a brace, or as white space after the end.
func ends(body []byte) bool {
	last := len(body) - 1
	body[last] = '}'
	return json.Valid(body) || json.Valid(bytes.TrimSpace(body[:last]))
}
