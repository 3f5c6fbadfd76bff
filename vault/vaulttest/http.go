package vaulttest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// maxBody is the size limit of a request's body in bytes.
const maxBody = 1 << 20

// A request is a parsed request.
type request struct {
	Call
	path   string // below /v1/, with the namespace in front
	query  url.Values
	token  string
	holder *token // nil if the operation needs no token
	body   map[string]any
}

// A response is the JSON object that Vault's API responds with.
type response struct {
	RequestID     string   `json:"request_id"`
	LeaseID       string   `json:"lease_id"`
	Renewable     bool     `json:"renewable"`
	LeaseDuration int      `json:"lease_duration"`
	Data          any      `json:"data"`
	WrapInfo      any      `json:"wrap_info"`
	Warnings      []string `json:"warnings"`
	Auth          any      `json:"auth"`
	MountType     string   `json:"mount_type"`

	status int // zero means 200
	body   any // if not nil, the complete body in place of the fields above
}

// An apiError is an error response of Vault's API.
type apiError struct {
	status   int
	messages []string
}

type errorBody struct {
	Errors []string `json:"errors"`
}

func newError(status int, messages ...string) *apiError {
	return &apiError{status, append([]string{}, messages...)} // Vault sends an empty list, not null
}

// errorList formats messages as Vault formats a list of errors.
func errorList(messages ...string) string {
	noun := " errors"
	if len(messages) == 1 {
		noun = " error"
	}
	return strconv.Itoa(len(messages)) + noun + " occurred:\n\t* " + strings.Join(messages, "\n\t* ") + "\n\n"
}

// handle responds to an HTTP request.
func (st *state) handle(w http.ResponseWriter, r *http.Request) {
	call := newCall(r)
	st.record(call)
	// net/http detects a closed connection only after the body is read.
	body, bodyErr := readBody(w, r)
	if st.wait(r.Context(), call.Operation) != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Cache-Control", "no-store")
	failure := st.takeFailure(call)
	switch {
	case failure != nil:
		failure.write(w)
	case rejectPath(w, r):
	case bodyErr != nil:
		writeResponse(w, http.StatusInternalServerError, encode(errorBody{[]string{"malformed JSON, unclosed containers"}}))
	default:
		resp, fault := st.serve(&request{
			Call: call, path: inNamespace(call.Namespace, call.Path), query: r.URL.Query(), token: tokenOf(r), body: body,
		})
		resp.write(w, fault)
	}
}

// write sends resp, or fault if it is not nil. If both are nil, it sends status 204.
func (resp *response) write(w http.ResponseWriter, fault *apiError) {
	switch {
	case fault != nil:
		writeResponse(w, fault.status, encode(errorBody{fault.messages}))
	case resp == nil:
		writeResponse(w, http.StatusNoContent, nil)
	case resp.body != nil:
		writeResponse(w, resp.status, encode(resp.body))
	default:
		resp.RequestID = newUUID()
		writeResponse(w, max(resp.status, http.StatusOK), encode(resp))
	}
}

func writeResponse(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// rejectPath responds to a request with an invalid path, like the router of a real server.
// It returns false if the path is valid.
func rejectPath(w http.ResponseWriter, r *http.Request) bool {
	escaped := r.URL.EscapedPath()
	clean := path.Clean(escaped)
	if strings.HasSuffix(escaped, "/") && clean != "/" {
		clean += "/"
	}
	switch {
	case strings.ContainsFunc(r.URL.Path, func(c rune) bool { return !unicode.IsPrint(c) }):
		w.WriteHeader(http.StatusBadRequest)
	case clean != escaped:
		if r.URL.RawQuery != "" {
			clean += "?" + r.URL.RawQuery
		}
		http.Redirect(w, r, clean, http.StatusTemporaryRedirect) //nolint:gosec // a cleaned path of this server
	case !strings.HasPrefix(escaped, "/v1/"):
		http.NotFound(w, r)
	default:
		return false
	}
	return true
}

// tokenOf returns the token in either of the two headers.
func tokenOf(r *http.Request) string {
	if token := r.Header.Get("X-Vault-Token"); token != "" {
		return token
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}

// readBody returns the body, which must be a JSON object or empty.
func readBody(w http.ResponseWriter, r *http.Request) (body map[string]any, err error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil || len(bytes.TrimSpace(raw)) == 0 {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	err = decoder.Decode(&body)
	return body, err
}

// text returns a text member of the body, or "".
func (r *request) text(name string) string {
	text, _ := r.body[name].(string)
	return text
}

// parseDuration parses a number of seconds or a duration. It returns zero for any other
// value.
func parseDuration(value any) time.Duration {
	text := fmt.Sprint(value)
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(seconds) * time.Second
	}
	d, _ := time.ParseDuration(text)
	return d
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("vaulttest: cannot encode data as JSON: " + err.Error())
	}
	return b
}

// inNamespace returns path with namespace in front.
func inNamespace(namespace, path string) string {
	if namespace == "" {
		return path
	}
	return namespace + "/" + path
}

// valueOf returns *opts, or the zero value for nil.
func valueOf[T any](opts *T) (value T) {
	if opts != nil {
		value = *opts
	}
	return value
}

func seconds(d time.Duration) int { return int(d.Round(time.Second) / time.Second) }

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
