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
// because printers cannot look into it.
type response struct {
	status int
	body   func() []byte
	length []string // the header Content-Length; nil: net/http adds it
}

// smallBody is the size in bytes up to which net/http adds the Content-Length. net/http
// promises this up to a few KB, and needs less time for it than for a given header.
const smallBody = 1 << 10

func newResponse(status int, body []byte) response {
	r := response{status: status, body: func() []byte { return body }}
	if len(body) > smallBody {
		r.length = []string{strconv.Itoa(len(body))}
	}
	return r
}

func plain(status int, text string) response { return newResponse(status, []byte(text)) }

// writeTimeout is how long a client may take to read a response. Without it, a client
// that does not read would keep its place for ever.
const writeTimeout = 30 * time.Second

// write sends r without a Content-Type, as AWS's agent does; net/http would guess one
// from the secret.
func (r response) write(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)) // unsupported by test recorders
	header := w.Header()
	header["Content-Type"] = nil
	if r.length != nil {
		header["Content-Length"] = r.length
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body()) // it fails if the client is gone
}

// writeAndClose is write for a request that was not authenticated. If req has a body,
// net/http would read some of it, and then keep the connection for half a second, with
// all its buffers. writeAndClose therefore takes over such a connection.
func (r response) writeAndClose(w http.ResponseWriter, req *http.Request) {
	if req.ContentLength != 0 {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			r.end(conn, req)
			return
		}
	}
	w.Header().Set("Connection", "close")
	r.write(w)
}

// end sends r on conn, which it closes.
func (r response) end(conn net.Conn, req *http.Request) {
	defer func() { _ = conn.Close() }() // with the body unread, which may well be an error
	if conn.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
		return // the client is gone
	}
	body := r.body()
	sent := http.Response{
		StatusCode: r.status, ProtoMajor: 1, ProtoMinor: 1, Request: req, Close: true,
		Header: http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}},
		Body:   io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	_ = sent.Write(conn) // it fails if the client is gone
}

// A body has the members of AWS's agent in the same order, then ours. As in AWS's
// agent, the first three and CreatedDate are null if they are absent, and the others
// are left out.
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

// found is the response to a request for id. A provider returns neither the name nor the
// ARN of a secret, so the response repeats id as the one that it looks like.
func found(id string, secret hush.Secret) response {
	b := body{
		VersionID: known(secret.Version), VersionStages: secret.Stages,
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

// failure is the response for a class. The provider's own text is not sent, because not
// every provider keeps secrets out of its errors.
func failure(class hush.Class) response {
	switch class {
	case hush.ErrNotFound:
		return failed("ResourceNotFoundException", "no such secret, version or stage")
	case hush.ErrInvalidRef:
		return failed("InvalidParameterException", "no secret can have such a name, version or stage")
	case hush.ErrDenied:
		return failed("AccessDeniedException", "the store denies this secret")
	case hush.ErrUnauthenticated:
		return failed("ExpiredTokenException", "the store does not accept the agent's own credential")
	case hush.ErrThrottled:
		return failed("ThrottlingException", "the store is asked too often")
	case hush.ErrRefused:
		return failed("hush#Refused", "the store refuses and does not say why")
	case hush.ErrAbsent:
		return failed("hush#Absent", "no store is here")
	case hush.ErrUnsupported:
		return failed("hush#Unsupported", "the store cannot honour a version, stage or refreshNow")
	default:
		return failed("InternalFailure", "the store cannot be asked")
	}
}

// failed is an error in AWS's form. AWS's errors have status 400, throttling included,
// and clients read the type. Status 403 means a wrong token only.
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

func known(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// date returns t in seconds since 1970, as a decimal string with nanoseconds, and nil for
// the zero time. A time before 1970 is sent as 1970, which has passed as well.
func date(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	if t.Unix() < 0 {
		t = time.Unix(0, 0)
	}
	text := strconv.FormatInt(t.Unix(), 10)
	if fraction := strings.TrimRight(fmt.Sprintf("%09d", t.Nanosecond()), "0"); fraction != "" {
		text += "." + fraction
	}
	return &text
}
