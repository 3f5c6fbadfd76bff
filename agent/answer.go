package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hush-secrets/hush"
)

// An answer is a status and a body.
type answer struct {
	status int
	body   []byte
}

func plain(status int, text string) answer { return answer{status: status, body: []byte(text)} }

// reading is how long a client may take to read an answer: one that stands still
// would keep its place for ever.
const reading = 30 * time.Second

// write sends a without a Content-Type, as the agent does; net/http would guess
// one from the secret.
func (a answer) write(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(reading)) // which a test's writer may not have
	w.Header()["Content-Type"] = nil
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client is gone, and nobody is left to tell
}

// A reply has the agent's members in the agent's order: it leaves out the last of
// AWS's where they are absent and has null for the others. Ours come after them.
type reply struct {
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

// found is the answer to a question for id. A provider says neither the name nor
// the ARN of what it answers, so id, of which we know only what it looks like,
// stands for itself.
func found(id string, secret hush.Secret) answer {
	r := reply{
		VersionID: known(secret.Version), VersionStages: secret.Stages,
		CreatedDate: date(secret.Created), Expires: date(secret.Expires),
		Stale: secret.Stale, Fallback: secret.Fallback,
	}
	if strings.HasPrefix(id, "arn:") {
		r.ARN = &id
	} else {
		r.Name = &id
	}
	if value := secret.Value.Reveal(); utf8.ValidString(value) {
		r.SecretString = &value
	} else {
		r.SecretBinary = []byte(value)
	}
	return answer{status: http.StatusOK, body: marshal(r)}
}

// failure is the answer for a class. What a provider says about it stays here:
// not every provider keeps secrets out of its errors.
func failure(class hush.Class) answer {
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

// failed is an error of AWS's shape. Its own errors are 400, throttling included,
// and clients read the type; 403 is for our token alone.
func failed(code, message string) answer {
	status := http.StatusBadRequest
	if code == "InternalFailure" {
		status = http.StatusServiceUnavailable
	}
	return answer{status: status, body: marshal(struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{code, message})}
}

func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // strings, bytes and booleans always encode
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func known(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// date is t in seconds since 1970, as a decimal string and to the nanosecond; nil
// if there is none. What was before 1970 is over as much as 1970 is.
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
