// Package bearer is an example to copy: an http.Client whose token is a secret, and
// which goes on through a rotation of it.
//
// The store is asked for each request, so put a cache in front of it. A token that
// the server refuses is asked for again, past the cache, and the request made once
// more. Through a gap between the server's change and the store's, wait by hush.Use.
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

// New returns a Transport that sends what ref names in secrets, as a bearer token, to
// origin alone, which is a scheme and a host as in https://api.example.com:8443.
// Anything else, a redirect to another host among it, goes without. A nil next is
// http.DefaultTransport.
func New(secrets hush.Provider, ref hush.Ref, origin string, next http.RoundTripper) *Transport {
	if next == nil {
		next = http.DefaultTransport
	}
	return &Transport{next: next, secrets: secrets, ref: ref, origin: origin}
}

// RoundTrip makes the request with the token and, if the answer is 401 and the store
// has another token, with that. Where it has none, cannot be asked, or the request's
// body can be read only once, the 401 is the answer. The error is the store's if
// there was no token to begin with.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Scheme+"://"+request.URL.Host != t.origin {
		return t.next.RoundTrip(request)
	}
	token, err := t.secrets.Get(request.Context(), t.ref)
	if err != nil {
		if request.Body != nil {
			_ = request.Body.Close() // as every RoundTripper must
		}
		return nil, err
	}
	response, err := t.next.RoundTrip(with(token, request, request.Body))
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		return response, err
	}
	// Asked also where it cannot be sent: the cache then has it for the next request.
	other, ok := t.another(request.Context(), token)
	if !ok {
		return response, nil
	}
	body, ok := bodyAgain(request)
	if !ok {
		return response, nil
	}
	// A body that is read to its end leaves the connection to the next request.
	_, _ = io.CopyN(io.Discard, response.Body, 4<<10)
	_ = response.Body.Close()
	return t.next.RoundTrip(with(other, request, body))
}

// another returns what the store has now, if that is another token.
func (t *Transport) another(ctx context.Context, token hush.Secret) (other hush.Secret, ok bool) {
	other, err := t.secrets.Get(ctx, t.ref.NewerThan(token))
	return other, err == nil && !other.Value.Equal(token.Value)
}

// with returns a copy of request, which a RoundTripper may not change.
func with(token hush.Secret, request *http.Request, body io.ReadCloser) *http.Request {
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+token.Value.Reveal())
	request.Body = body
	return request
}

// bodyAgain returns the body of request, as it was, if there is a way to have that.
func bodyAgain(request *http.Request) (body io.ReadCloser, ok bool) {
	if request.Body == nil || request.Body == http.NoBody {
		return request.Body, true
	}
	if request.GetBody == nil {
		return nil, false
	}
	body, err := request.GetBody()
	return body, err == nil
}
