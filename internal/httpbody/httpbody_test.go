package httpbody_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/internal/httpbody"
)

const whole = `{"data":{"Stages":["A"],"SecretString":"s3cret","Tail":{"x":1}}}`

// readers are the functions under test. Both read a complete response in the same way.
var readers = []func(*http.Response, int64) ([]byte, error){httpbody.Read, httpbody.ReadJSON}

func answer(status int, length int64, body io.Reader) *http.Response {
	return &http.Response{StatusCode: status, ContentLength: length, Body: io.NopCloser(body)}
}

func TestBodies(t *testing.T) {
	for _, text := range []string{whole, whole + "\n", whole + "\r\n ", "", "{", "x", "null", "not ready"} {
		for _, status := range []int{200, 400} {
			for _, read := range readers {
				got, err := read(answer(status, -1, strings.NewReader(text)), 1000)
				require.NoError(t, err, "%q without a length", text)
				assert.Equal(t, text, string(got))

				got, err = read(answer(status, int64(len(text)), strings.NewReader(text)), 1000)
				require.NoError(t, err, "%q", text)
				assert.Equal(t, text, string(got))
			}
		}
	}
}

// TestLengthInsideTheSecret checks that ReadJSON leaves at least one byte unread. Only
// after two bytes can the last byte end the JSON.
func TestLengthInsideTheSecret(t *testing.T) {
	for length := 3; length < len(whole); length++ {
		from := strings.NewReader(whole)
		_, err := httpbody.ReadJSON(answer(200, int64(length), io.LimitReader(from, int64(length))), 1000)
		require.ErrorIs(t, err, httpbody.ErrTruncated, "%d bytes", length)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.Greater(t, from.Len(), len(whole)-length, "%d bytes were read to the end", length)
	}
}

func TestSizeLimit(t *testing.T) {
	for _, read := range readers {
		for _, length := range []int64{-1, 11} {
			_, err := read(answer(200, length, strings.NewReader(strings.Repeat("x", 11))), 10)
			assert.ErrorIs(t, err, httpbody.ErrTooLarge, "length %d", length)
		}
		got, err := read(answer(200, -1, strings.NewReader("0123456789")), 10)
		require.NoError(t, err)
		assert.Len(t, got, 10)
	}
}

func TestBrokenBodies(t *testing.T) {
	for _, status := range []int{200, 500} {
		for _, sent := range []int{0, 5, len(whole) - 1} {
			for _, read := range readers {
				_, err := read(answer(status, int64(len(whole)), strings.NewReader(whole[:sent])), 1000)
				assert.Error(t, err, "status %d, %d bytes", status, sent)
			}
		}
	}
}

// FuzzRead compares the body with the sent one.
func FuzzRead(f *testing.F) {
	f.Add([]byte(whole), 20, 200)
	f.Add([]byte(whole), len(whole), 200)
	f.Add([]byte("{"), 1, 200)
	f.Add([]byte("not ready"), -1, 400)
	f.Fuzz(func(t *testing.T, body []byte, length, status int) {
		const most = 64
		for _, read := range readers {
			got, err := read(answer(status, int64(max(length, -1)), bytes.NewReader(body)), most)
			if err != nil {
				continue
			}
			want := body
			if length >= 0 {
				want = body[:length]
			}
			if !bytes.Equal(want, got) || len(got) > most {
				t.Errorf("got %d bytes of %d, with Content-Length %d", len(got), len(body), length)
			}
		}
	})
}
