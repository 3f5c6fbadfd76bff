// Package httpbody reads HTTP responses that may contain a secret, with a size limit.
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
	// ErrTooLarge means that the body exceeds the limit.
	ErrTooLarge = errors.New("the response is too large")

	// ErrTruncated means that the Content-Length ends inside the JSON of the body. It
	// wraps io.ErrUnexpectedEOF.
	ErrTruncated = fmt.Errorf("the Content-Length ends inside the JSON: %w", io.ErrUnexpectedEOF)
)

// Read returns the body of response, or ErrTooLarge if it exceeds limit bytes. The caller
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

// ReadJSON is Read for a response of net/http's transport. If the Content-Length of a 200
// ends inside its JSON, ReadJSON returns ErrTruncated and does not read the last byte.
// Otherwise net/http would read the rest of the secret from the idle connection and print
// it with package log.
//
// After ErrTruncated and ErrTooLarge, the caller must end the context of the request, and
// must not close the body: since Go 1.27, Close reads the rest of the body and keeps the
// connection.
func ReadJSON(response *http.Response, limit int64) ([]byte, error) {
	size := response.ContentLength
	if size <= 0 || size > limit || response.StatusCode != http.StatusOK {
		return Read(response, limit)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(response.Body, body[:size-1]); err != nil {
		return nil, err
	}
	if body[0] == '{' && !canEnd(body) {
		return nil, ErrTruncated
	}
	if _, err := io.ReadFull(response.Body, body[size-1:]); err != nil {
		return nil, err
	}
	return body, nil
}

// canEnd reports whether the last byte of body, which has not been read, can end the JSON:
// as a brace, or as white space after the end.
func canEnd(body []byte) bool {
	last := len(body) - 1
	body[last] = '}'
	return json.Valid(body) || json.Valid(bytes.TrimSpace(body[:last]))
}
