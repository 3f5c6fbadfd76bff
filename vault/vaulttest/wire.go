package vaulttest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// maxBody bounds a request: nothing that the server reads is larger.
const maxBody = 1 << 20

// A request is a call as the store sees it.
type request struct {
	Call
	path   string // below /v1/, the namespace in front
	query  map[string][]string
	token  string
	holder *token // nil for what needs no token
	body   map[string]any
}

// text returns a member of the body that is text, else "".
func (r *request) text(name string) string {
	value, _ := r.body[name].(string)
	return value
}

// duration returns a member of the body that is seconds, or text that says how
// long; zero if it is neither.
func (r *request) duration(name string) time.Duration { return durationOf(r.body[name]) }

func durationOf(value any) time.Duration {
	text := fmt.Sprint(value)
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(seconds) * time.Second
	}
	d, _ := time.ParseDuration(text)
	return d
}

// An answer is what Vault's API wraps every answer in.
type answer struct {
	RequestID     string   `json:"request_id"`
	LeaseID       string   `json:"lease_id"`
	Renewable     bool     `json:"renewable"`
	LeaseDuration int      `json:"lease_duration"`
	Data          any      `json:"data"`
	WrapInfo      any      `json:"wrap_info"`
	Warnings      []string `json:"warnings"`
	Auth          any      `json:"auth"`
	MountType     string   `json:"mount_type"`

	status int // zero: 200, and 204 without an answer
	bare   any // the whole body, without the wrapping
}

// A fault is an error as Vault says it.
type fault struct {
	status int
	errors []string
}

type errorBody struct {
	Errors []string `json:"errors"`
}

func refuse(status int, errors ...string) *fault { return &fault{status, errors} }

// multiple words errors as Vault does that collected them.
func multiple(errors ...string) string {
	if len(errors) == 1 {
		return "1 error occurred:\n\t* " + errors[0] + "\n\n"
	}
	return strconv.Itoa(len(errors)) + " errors occurred:\n\t* " + strings.Join(errors, "\n\t* ") + "\n\n"
}

func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	call := describe(r)
	s.calls.Get().note(call)
	asked := &request{Call: call, path: below(call.Namespace, call.Path), query: r.URL.Query(), token: tokenOf(r)}
	legible := asked.read(w, r) // before any waiting: net/http sees a client go only when its body is read
	if s.faults.Get().wait(r.Context(), call.Operation) != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Cache-Control", "no-store")
	failure := s.faults.Get().take(call)
	switch {
	case failure != nil:
		failure.write(w)
	case misdirected(w, r):
	case !legible:
		respondError(w, refuse(http.StatusInternalServerError, "malformed JSON, unclosed containers"))
	default:
		s.answer(w, r, asked)
	}
}

// misdirected answers what is no call of the API, as a real server's router does.
func misdirected(w http.ResponseWriter, r *http.Request) bool {
	asked := r.URL.EscapedPath()
	clean := path.Clean(asked)
	if strings.HasSuffix(asked, "/") && clean != "/" {
		clean += "/"
	}
	switch {
	case strings.ContainsFunc(r.URL.Path, func(c rune) bool { return !unicode.IsPrint(c) }):
		w.WriteHeader(http.StatusBadRequest)
	case clean != asked:
		if r.URL.RawQuery != "" {
			clean += "?" + r.URL.RawQuery
		}
		http.Redirect(w, r, clean, http.StatusTemporaryRedirect) //nolint:gosec // a path of this server, made clean
	case !strings.HasPrefix(asked, "/v1/"):
		http.NotFound(w, r)
	default:
		return false
	}
	return true
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, asked *request) {
	if address := s.store.Get().elsewhere(); address != "" && asked.Operation != Health {
		w.Header().Set("Location", strings.TrimSuffix(address, "/")+r.URL.RequestURI())
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	said, fault := s.store.Get().serve(asked)
	switch {
	case fault != nil:
		respondError(w, fault)
	case said == nil:
		respond(w, http.StatusNoContent, nil)
	case said.bare != nil:
		respond(w, said.status, encode(said.bare))
	default:
		said.RequestID = newUUID()
		respond(w, max(said.status, http.StatusOK), encode(said))
	}
}

// describe reads what Calls and Fail need to know of a request, which may be
// anything.
func describe(r *http.Request) Call {
	call := Call{
		Method: r.Method, Path: strings.TrimPrefix(r.URL.Path, "/v1/"),
		Namespace: strings.Trim(r.Header.Get("X-Vault-Namespace"), "/"), Token: Fingerprint(tokenOf(r)),
	}
	call.Operation = kindOf(call.Method, call.Path)
	return call
}

// tokenOf returns the token that r has, in either of its places.
func tokenOf(r *http.Request) string {
	if token := r.Header.Get("X-Vault-Token"); token != "" {
		return token
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}

// read reads the body, and reports whether it is a JSON object or nothing.
func (r *request) read(w http.ResponseWriter, from *http.Request) bool {
	raw, err := io.ReadAll(http.MaxBytesReader(w, from.Body, maxBody))
	if err != nil {
		return false
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return true
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	return decoder.Decode(&r.body) == nil
}

func respondError(w http.ResponseWriter, f *fault) {
	said := f.errors
	if said == nil {
		said = []string{}
	}
	respond(w, f.status, encode(errorBody{said}))
}

func respond(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("vaulttest: " + err.Error()) // data of a test's, or an answer of ours, that is not JSON
	}
	return b
}

// below puts namespace in front of path.
func below(namespace, path string) string {
	if namespace == "" {
		return path
	}
	return namespace + "/" + path
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
