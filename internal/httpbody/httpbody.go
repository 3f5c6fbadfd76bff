// Package httpbody reads HTTP answers that may hold a secret: within a bound, and
// so that nothing of them is left for net/http to print.
package httpbody

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// ErrTooLarge is about a body that is longer than its reader takes.
var ErrTooLarge = errors.New("the answer is too large")

// Read returns the body of response, which has at most so many bytes. The caller
// closes it.
//
// The body of a 200 whose Content-Length ends amid its JSON, whatever its last
// byte is, is [io.ErrUnexpectedEOF] and is not read to its end. Otherwise net/http
// would keep the connection, find the rest of the secret on it, and print that with
// package log.
func Read(response *http.Response, most int64) ([]byte, error) {
	size := response.ContentLength
	switch {
	case size > most:
		return nil, ErrTooLarge
	case size > 0 && response.StatusCode == http.StatusOK:
		return readWhole(response.Body, size)
	case size >= 0:
		body := make([]byte, size)
		_, err := io.ReadFull(response.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	if int64(len(body)) > most {
		return nil, ErrTooLarge
	}
	return body, err
}

// readWhole stops before the last byte if that cannot make the body whole.
func readWhole(from io.Reader, size int64) ([]byte, error) {
	body := make([]byte, size)
	if _, err := io.ReadFull(from, body[:size-1]); err != nil {
		return nil, err
	}
	if body[0] == '{' && !ends(body) {
		return nil, io.ErrUnexpectedEOF
	}
	if _, err := io.ReadFull(from, body[size-1:]); err != nil {
		return nil, err
	}
	return body, nil
}

// ends reports whether the last byte of body, which is not there yet, can end its
// JSON: as a brace, or as space after it.
func ends(body []byte) bool {
	last := len(body) - 1
	body[last] = '}'
	return json.Valid(body) || json.Valid(bytes.TrimSpace(body[:last]))
}
