// Package awsfault describes failures of requests to AWS.
//
// Codes, statuses and types of errors decide the description. The texts of the SDK and
// of AWS are never quoted, because they may quote secrets and the output of credential
// programs.
package awsfault

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/hush-secrets/hush/internal/httpbody"
	"github.com/hush-secrets/hush/internal/netfault"
	"github.com/hush-secrets/hush/internal/surrogate"
)

// MaxBody is the size limit of a response. It has room for twenty secrets of 64 KiB
// with every byte escaped.
const MaxBody = 10 << 20

// A Response is an error response. Code and RequestID come from the server: NewResponse
// drops invalid ones.
type Response struct {
	Code      string // without its namespace; empty if there is none
	Status    int    // the HTTP status; 0 if unknown
	RequestID string // empty if unknown
}

// NewResponse returns a Response without the invalid facts.
func NewResponse(code string, status int, requestID string) *Response {
	r := &Response{Code: withoutNamespace(code), Status: status, RequestID: requestID}
	if !isCode(r.Code) {
		r.Code = ""
	}
	if strings.Trim(requestID, "0123456789abcdefABCDEF-") != "" || len(requestID) > 64 {
		r.RequestID = ""
	}
	return r
}

// Read returns the response in err, and its message. The message may select a text, and
// must not be quoted. Read returns nil if there was no response, or an incomplete or
// invalid one.
func Read(err error) (r *Response, message string) {
	if _, invalid := errors.AsType[surrogate.Error](err); invalid || Unsent(err) || errors.Is(err, httpbody.ErrTooLarge) {
		return nil, ""
	}
	api, hasCode := errors.AsType[smithy.APIError](err)
	response, hasStatus := errors.AsType[*smithyhttp.ResponseError](err)
	hasStatus = hasStatus && response.HTTPStatusCode() != 0 // the SDK invents an empty response
	if !hasCode && !hasStatus {
		return nil, ""
	}
	var code string
	var status int
	if hasStatus {
		code, status = headerCode(response), response.HTTPStatusCode()
	}
	if hasCode && api.ErrorCode() != "UnknownError" { // smithy uses this code if there is none
		code, message = api.ErrorCode(), api.ErrorMessage()
	}
	return NewResponse(code, status, requestID(err)), message
}

// Throttled reports whether there were too many calls.
func (r Response) Throttled() bool {
	return r.Status == http.StatusTooManyRequests || isThrottle(r.Code)
}

// String returns the known facts, separated by commas.
func (r Response) String() string {
	var facts []string
	if r.Code != "" {
		facts = append(facts, r.Code)
	}
	if r.Status != 0 {
		facts = append(facts, fmt.Sprintf("status %d", r.Status))
	}
	if r.RequestID != "" {
		facts = append(facts, "request "+r.RequestID)
	}
	return strings.Join(facts, ", ")
}

func requestID(err error) string {
	with, ok := errors.AsType[interface {
		error
		ServiceRequestID() string
	}](err)
	if !ok {
		return ""
	}
	return with.ServiceRequestID()
}

// headerCode returns the code in the header, for a body that the SDK could not decode.
func headerCode(response *smithyhttp.ResponseError) string {
	if response.Response == nil || response.Response.Response == nil {
		return ""
	}
	return response.Response.Header.Get("X-Amzn-Errortype")
}

// withoutNamespace removes the namespace before a code and the URL after it.
func withoutNamespace(code string) string {
	code, _, _ = strings.Cut(code, ":")
	if _, after, ok := strings.Cut(code, "#"); ok {
		code = after
	}
	return code
}

func isCode(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return isThrottle(s) || s != "" && len(s) <= 64 && s[0] >= 'A' && s[0] <= 'Z' && strings.Trim(s, letters) == ""
}

func isThrottle(code string) bool {
	_, ok := retry.DefaultThrottleErrorCodes[code]
	return ok
}

// Network describes why there was no response.
func Network(err error) error {
	if errors.Is(err, httpbody.ErrTooLarge) {
		return fmt.Errorf("the response exceeds the limit of %d MiB", MaxBody>>20)
	}
	if invalid, ok := errors.AsType[surrogate.Error](err); ok {
		return invalid
	}
	return netfault.Reason(err)
}

// Unsent reports whether the connection failed before the end of a response.
func Unsent(err error) bool {
	_, ok := errors.AsType[*smithyhttp.RequestSendError](err)
	return ok
}

// isNetwork reports whether err is an error of a network, and not of a file or a program
// that provides credentials.
func isNetwork(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok || netfault.TimedOut(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
