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

func answer(status int, length int64, body io.Reader) *http.Response {
	return &http.Response{StatusCode: status, ContentLength: length, Body: io.NopCloser(body)}
}

func TestBodies(t *testing.T) {
	for _, text := range []string{whole, whole + "\n", whole + "\r\n ", "", "{", "x", "null", "not ready"} {
		for _, status := range []int{200, 400} {
			got, err := httpbody.Read(answer(status, -1, strings.NewReader(text)), 1000)
			require.NoError(t, err, "%q without a length", text)
			assert.Equal(t, text, string(got))

			got, err = httpbody.Read(answer(status, int64(len(text)), strings.NewReader(text)), 1000)
			require.NoError(t, err, "%q", text)
			assert.Equal(t, text, string(got))
		}
	}
}

// TestLengthAmidTheSecret sees at least one byte left unread, which is what makes
// net/http close the connection. Only where the last byte decides, as it does after
// two bytes, is it read.
func TestLengthAmidTheSecret(t *testing.T) {
	for length := 3; length < len(whole); length++ {
		from := strings.NewReader(whole)
		_, err := httpbody.Read(answer(200, int64(length), io.LimitReader(from, int64(length))), 1000)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%d bytes", length)
		assert.Greater(t, from.Len(), len(whole)-length, "%d bytes were read to the end", length)
	}
}

func TestBounds(t *testing.T) {
	for _, length := range []int64{-1, 11} {
		_, err := httpbody.Read(answer(200, length, strings.NewReader(strings.Repeat("x", 11))), 10)
		assert.ErrorIs(t, err, httpbody.ErrTooLarge, "length %d", length)
	}
	got, err := httpbody.Read(answer(200, -1, strings.NewReader("0123456789")), 10)
	require.NoError(t, err)
	assert.Len(t, got, 10)
}

func TestBrokenBodies(t *testing.T) {
	for _, status := range []int{200, 500} {
		for _, sent := range []int{0, 5, len(whole) - 1} {
			_, err := httpbody.Read(answer(status, int64(len(whole)), strings.NewReader(whole[:sent])), 1000)
			assert.Error(t, err, "status %d, %d bytes", status, sent)
		}
	}
}

// FuzzRead: whatever is taken is what was sent.
func FuzzRead(f *testing.F) {
	f.Add([]byte(whole), 20, 200)
	f.Add([]byte(whole), len(whole), 200)
	f.Add([]byte("{"), 1, 200)
	f.Add([]byte("not ready"), -1, 400)
	f.Fuzz(func(t *testing.T, body []byte, length, status int) {
		const most = 64
		got, err := httpbody.Read(answer(status, int64(max(length, -1)), bytes.NewReader(body)), most)
		if err != nil {
			return
		}
		want := body
		if length >= 0 {
			want = body[:length]
		}
		if !bytes.Equal(want, got) || len(got) > most {
			t.Errorf("got %d bytes of %d, said to be %d", len(got), len(body), length)
		}
	})
}
