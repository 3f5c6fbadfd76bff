package directtest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxBody bounds a request: a secret has at most 65,536 bytes, which base64 and
// JSON's escapes can inflate sixfold.
const maxBody = 1 << 20

// A fault is an error as AWS would say it.
type fault struct {
	status  int
	code    string
	message string
}

func refuse(code, message string) *fault { return &fault{http.StatusBadRequest, code, message} }

func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		respond(w, http.StatusRequestEntityTooLarge, encode(map[string]string{"__type": "RequestEntityTooLargeException"}))
		return
	}
	call := describe(r, body)
	s.calls.note(call)
	if s.faults.Get().wait(r.Context()) != nil {
		panic(http.ErrAbortHandler)
	}
	if failure := s.faults.Get().take(call.Operation, call.Name); failure != nil {
		failure.write(w)
		return
	}
	answer, fault := s.answer(r, call, body)
	if fault != nil {
		respond(w, fault.status, encode(map[string]string{"__type": fault.code, "Message": fault.message}))
		return
	}
	respond(w, http.StatusOK, encode(answer))
}

func (s *Server) answer(r *http.Request, call Call, body []byte) (any, *fault) {
	if r.Method != http.MethodPost || r.URL.Path != "/" {
		return nil, &fault{http.StatusNotFound, "UnknownOperationException", ""}
	}
	if call.AccessKeyID == "" {
		return nil, refuse("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	s.store.Get().mu.Lock()
	defer s.store.Get().mu.Unlock()
	return s.store.Get().run(call, body)
}

// describe reads what Calls and Fail need to know of a request, which may be
// anything.
func describe(r *http.Request, body []byte) Call {
	var in struct{ SecretId, Name string } //nolint:revive // AWS's spelling
	_ = json.Unmarshal(body, &in)
	call := Call{Name: in.SecretId}
	if call.Name == "" {
		call.Name = in.Name
	}
	call.Operation, _ = strings.CutPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
	call.AccessKeyID, call.Region = signer(r.Header.Get("Authorization"))
	return call
}

// signer returns the access key and the region of a Signature Version 4 header:
// AWS4-HMAC-SHA256 Credential=key/date/region/service/aws4_request, …
func signer(authorization string) (accessKeyID, region string) {
	scope, ok := strings.CutPrefix(authorization, "AWS4-HMAC-SHA256 Credential=")
	if !ok {
		return "", ""
	}
	scope, _, _ = strings.Cut(scope, ",")
	parts := strings.Split(scope, "/")
	if len(parts) != 5 {
		return "", ""
	}
	return parts[0], parts[2]
}

func respond(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", newUUID())
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("directtest: " + err.Error()) // an answer of ours that is not JSON
	}
	return b
}

// An epoch is a time as JSON 1.1 has it: seconds since 1970, a number.
type epoch time.Time

// MarshalJSON returns the seconds with three decimals.
func (e epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(e).UnixMilli())/1000, 'f', 3, 64), nil
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
