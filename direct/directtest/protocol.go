package directtest

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxBody limits a request. A secret has at most 65,536 bytes, and the escapes of JSON
// make it up to six times as long.
const maxBody = 1 << 20

// A Call is a call that reached the server, including calls that failed.
type Call struct {
	Operation   string // such as "GetSecretValue"
	Name        string // the SecretId or Name as the caller spells it; empty for a batch
	Region      string // in the signature; empty without one
	AccessKeyID string // in the signature; empty without one
}

type calls struct {
	mu     sync.Mutex
	counts map[Call]int
}

func (c *calls) add(call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[Call]int{}
	}
	c.counts[call]++
}

// Calls returns the number of calls that match all fields of like that are not empty.
// Calls(Call{}) counts all calls. Each retry of an SDK is a call.
func (s *Server) Calls(like Call) int {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	total := 0
	for call, count := range s.calls.counts {
		if matches(like.Operation, call.Operation) && matches(like.Name, call.Name) &&
			matches(like.Region, call.Region) && matches(like.AccessKeyID, call.AccessKeyID) {
			total += count
		}
	}
	return total
}

// A request has the members of all operations. The server ignores unknown members, as AWS
// does.
type request struct {
	call Call

	SecretId, Name                       string //nolint:revive // AWS's spelling
	VersionId, VersionStage              string //nolint:revive // AWS's spelling
	MoveToVersionId, RemoveFromVersionId string //nolint:revive // AWS's spelling
	ClientRequestToken                   string // becomes the ID of the version
	VersionStages                        []string
	payload

	SecretIdList []string          //nolint:revive // AWS's spelling
	Filters      []json.RawMessage // not supported

	RecoveryWindowInDays       int
	ForceDeleteWithoutRecovery bool
}

// A fault is an error response of AWS.
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
	var in request
	invalid := json.Unmarshal(body, &in) != nil
	in.call.Name = cmp.Or(in.SecretId, in.Name)
	in.call.Operation, _ = strings.CutPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
	in.call.AccessKeyID, in.call.Region = signer(r.Header.Get("Authorization"))
	s.calls.add(in.call)
	if s.faults.Get().wait(r.Context()) != nil {
		panic(http.ErrAbortHandler)
	}
	if failure := s.faults.Get().take(in.call); failure != nil {
		failure.write(w)
		return
	}
	var out any
	var fault *fault
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/":
		fault = refuse("UnknownOperationException", "")
		fault.status = http.StatusNotFound
	case in.call.AccessKeyID == "":
		fault = refuse("MissingAuthenticationTokenException", "Missing Authentication Token")
	case invalid:
		fault = refuse("SerializationException", "The request is not the JSON of this operation.")
	default:
		out, fault = s.store.Get().run(&in)
	}
	if fault != nil {
		respond(w, fault.status, encode(map[string]string{"__type": fault.code, "Message": fault.message}))
		return
	}
	respond(w, http.StatusOK, encode(out))
}

// signer returns the access key and the region in the header of Signature Version 4:
// AWS4-HMAC-SHA256 Credential=key/date/region/service/aws4_request, …
func signer(authorization string) (accessKeyID, region string) {
	scope, ok := strings.CutPrefix(authorization, "AWS4-HMAC-SHA256 Credential=")
	scope, _, _ = strings.Cut(scope, ",")
	parts := strings.Split(scope, "/")
	if !ok || len(parts) != 5 {
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
		panic("directtest: " + err.Error()) // a response of this package is always valid
	}
	return b
}

// An epoch is a time in JSON 1.1: the seconds since 1970 as a number.
type epoch time.Time

// MarshalJSON returns the seconds with three decimals.
func (e epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(e).UnixMilli())/1000, 'f', 3, 64), nil
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
