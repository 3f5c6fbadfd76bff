package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hush-secrets/hush"
)

// A response is a status and a body. A closure holds the body, which may be a secret,
// because printers cannot look into a closure.
type response struct {
	status int
	body   func() []byte
	length []string // the header Content-Length; nil: net/http adds it
}

// The responses of AWS's agent to requests for no secret.
var (
	healthy    = plain(http.StatusOK, "healthy")
	badToken   = plain(http.StatusForbidden, "Bad Token")
	notAllowed = plain(http.StatusMethodNotAllowed, "Not allowed")
	overLimit  = plain(http.StatusTooManyRequests, "Connection limit exceeded")
)

// smallBody is the size in bytes up to which net/http adds the Content-Length. net/http
// promises this for up to a few KB, and it is faster than a given header.
const smallBody = 1 << 10

func newResponse(status int, body []byte) response {
	r := response{status: status, body: func() []byte { return body }}
	if len(body) > smallBody {
		r.length = []string{strconv.Itoa(len(body))}
	}
	return r
}

func plain(status int, text string) response { return newResponse(status, []byte(text)) }

// writeTimeout limits the time in which a client reads a response. Without it, a client
// that does not read would count for the limiter forever.
const writeTimeout = 30 * time.Second

// write sends r without a Content-Type, as AWS's agent does. net/http would guess a
// Content-Type from the secret.
func (r response) write(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)) // unsupported by test recorders
	header := w.Header()
	header["Content-Type"] = nil
	if r.length != nil {
		header["Content-Length"] = r.length
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body()) // fails if the client is gone
}

// writeAndClose is write for a request that was not authenticated. If req has a body,
// net/http would read a part of it and then keep the connection with its buffers for half
// a second. Therefore writeAndClose takes over such a connection.
func (r response) writeAndClose(w http.ResponseWriter, req *http.Request) {
	if req.ContentLength != 0 {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			r.send(conn, req)
			return
		}
	}
	w.Header().Set("Connection", "close")
	r.write(w)
}

// send sends r on conn and closes conn.
func (r response) send(conn net.Conn, req *http.Request) {
	defer func() { _ = conn.Close() }() // fails if the client has sent more of the body
	if conn.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
		return // the client is gone
	}
	body := r.body()
	sent := http.Response{
		StatusCode: r.status, ProtoMajor: 1, ProtoMinor: 1, Request: req, Close: true,
		Header: http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}},
		Body:   io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	_ = sent.Write(conn) // fails if the client is gone
}

// A body has the members of AWS's agent in the same order, followed by those of hush. As in
// AWS's agent, ARN, Name, VersionId and CreatedDate are null if they are unknown. Other
// members are omitted.
type body struct {
	ARN           *string
	Name          *string
	VersionID     *string  `json:"VersionId"`
	SecretString  *string  `json:",omitempty"`
	SecretBinary  []byte   `json:",omitempty"`
	VersionStages []string `json:",omitempty"`
	CreatedDate   *string

	Expires  *string `json:",omitempty"`
	Stale    bool    `json:",omitempty"`
	Fallback bool    `json:",omitempty"`
}

// found returns the response with secret. A provider returns neither the name nor the ARN
// of a secret, so the response repeats id as the ARN or the name.
func found(id string, secret hush.Secret) response {
	b := body{
		VersionID: nonEmpty(secret.Version), VersionStages: secret.Stages,
		CreatedDate: date(secret.Created), Expires: date(secret.Expires),
		Stale: secret.Stale, Fallback: secret.FromFallback,
	}
	if strings.HasPrefix(id, "arn:") {
		b.ARN = &id
	} else {
		b.Name = &id
	}
	if value := secret.Value.Reveal(); utf8.ValidString(value) {
		b.SecretString = &value
	} else {
		b.SecretBinary = []byte(value)
	}
	return newResponse(http.StatusOK, marshal(b))
}

// failures has the type and message for each class. A response does not contain the text
// of the provider's error, because a provider may include a secret.
var failures = map[hush.Class][2]string{
	hush.ErrNotFound:        {"ResourceNotFoundException", "no such secret, version or stage"},
	hush.ErrInvalidRef:      {"InvalidParameterException", "the name, version or stage is not valid"},
	hush.ErrDenied:          {"AccessDeniedException", "the store denies access to this secret"},
	hush.ErrUnauthenticated: {"ExpiredTokenException", "the store does not accept the agent's own credential"},
	hush.ErrThrottled:       {"ThrottlingException", "the store throttles requests"},
	hush.ErrRefused:         {"hush#Refused", "the store refuses the request without a reason"},
	hush.ErrAbsent:          {"hush#Absent", "the store is not present"},
	hush.ErrUnsupported:     {"hush#Unsupported", "the store does not support a version, stage or refreshNow"},
}

func failure(class hush.Class) response {
	if f, ok := failures[class]; ok {
		return failed(f[0], f[1])
	}
	return failed("InternalFailure", "the store is unavailable")
}

// failed returns an error in AWS's format. AWS's errors, including throttling, have status
// 400, and clients read the type. Status 403 only means a wrong token.
func failed(code, message string) response {
	status := http.StatusBadRequest
	if code == "InternalFailure" {
		status = http.StatusServiceUnavailable
	}
	return newResponse(status, marshal(struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{code, message}))
}

func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)                                               // strings, bytes and booleans always encode
	return bytes.Clone(bytes.TrimSuffix(b.Bytes(), []byte("\n"))) // without spare capacity
}

// nonEmpty returns nil for an empty text.
func nonEmpty(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// date returns t in seconds since 1970, as a decimal string with nanoseconds. It returns
// nil for the zero time, and 1970 for an earlier time, which has passed as well.
func date(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	if t.Unix() < 0 {
		t = time.Unix(0, 0)
	}
	text := fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond())
	text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	return &text
}
