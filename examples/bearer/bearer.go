// Package bearer is an example to copy: an http.Client that sends a secret as its bearer
// token and keeps working through a rotation of the token.
//
// Each request reads the token, so put a cache in front of the store. If the server
// refuses the token, the client reads a newer one from the store and sends the request
// once more. If the server changes its token before the store does, use hush.Use, which
// waits for the store.
package bearer

import (
	"context"
	"io"
	"net/http"

	"github.com/hush-secrets/hush"
)

// A Transport is an http.RoundTripper that sets the Authorization header.
type Transport struct {
	next    http.RoundTripper
	secrets hush.Provider
	ref     hush.Ref
	origin  string
}

var _ http.RoundTripper = (*Transport)(nil)

// New returns a Transport that sends the secret that ref names as a bearer token to
// origin. origin is a scheme and a host, such as https://api.example.com:8443. Requests
// to other origins, such as redirects, have no token. Nil next means
// http.DefaultTransport.
func New(secrets hush.Provider, ref hush.Ref, origin string, next http.RoundTripper) *Transport {
	if next == nil {
		next = http.DefaultTransport
	}
	return &Transport{next: next, secrets: secrets, ref: ref, origin: origin}
}

// RoundTrip sends the request with the token. After a response with status 401, it sends
// the request again if the store has another token. It returns the first response if
// the store has no other token, if the store fails, or if the body of the request can be
// read only once. Without a token, it returns the error of the store.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Scheme+"://"+request.URL.Host != t.origin {
		return t.next.RoundTrip(request)
	}
	token, err := t.secrets.Get(request.Context(), t.ref)
	if err != nil {
		if request.Body != nil {
			_ = request.Body.Close() // every RoundTripper must close it
		}
		return nil, err
	}
	response, err := t.next.RoundTrip(withToken(token, request, request.Body))
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		return response, err
	}
	// This comes first, so that the cache has the new token even if the body cannot be
	// sent again.
	other, ok := t.newerToken(request.Context(), token)
	if !ok {
		return response, nil
	}
	body, ok := rewoundBody(request)
	if !ok {
		return response, nil
	}
	// The connection can be reused only if the body was read to its end.
	_, _ = io.CopyN(io.Discard, response.Body, 4<<10)
	_ = response.Body.Close()
	return t.next.RoundTrip(withToken(other, request, body))
}

// newerToken returns the token of the store if it differs from token.
func (t *Transport) newerToken(ctx context.Context, token hush.Secret) (other hush.Secret, ok bool) {
	other, err := t.secrets.Get(ctx, t.ref.NewerThan(token))
	return other, err == nil && !other.Value.Equal(token.Value)
}

// withToken returns a copy of request, because a RoundTripper must not change it.
func withToken(token hush.Secret, request *http.Request, body io.ReadCloser) *http.Request {
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+token.Value.Reveal())
	request.Body = body
	return request
}

// rewoundBody returns the body of request from its start, if the request supports it.
func rewoundBody(request *http.Request) (body io.ReadCloser, ok bool) {
	if request.Body == nil || request.Body == http.NoBody {
		return request.Body, true
	}
	if request.GetBody == nil {
		return nil, false
	}
	body, err := request.GetBody()
	return body, err == nil
}
