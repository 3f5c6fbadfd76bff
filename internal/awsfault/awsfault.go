// Package awsfault puts what goes wrong between a program and AWS into words of
// our own.
//
// Codes, statuses and the types of errors say what happened; the texts of the SDK
// and of AWS are never quoted, for they quote what was received, down to secrets
// and the output of credential programs.
package awsfault

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/hush-secrets/hush/internal/httpbody"
	"github.com/hush-secrets/hush/internal/surrogate"
)

// An Answer is what is kept of one that is no success. Code and RequestID come
// from outside: NewAnswer drops what does not look like the fact that it should be.
type Answer struct {
	Code      string // without its namespace; empty if there was none
	Status    int    // the HTTP status; 0 if unknown
	RequestID string // empty if unknown
}

// NewAnswer returns an Answer of the three, each empty if it cannot be one.
func NewAnswer(code string, status int, requestID string) *Answer {
	a := &Answer{Code: bare(code), Status: status, RequestID: requestID}
	if !isCode(a.Code) {
		a.Code = ""
	}
	if strings.Trim(requestID, "0123456789abcdefABCDEF-") != "" || len(requestID) > 64 {
		a.RequestID = ""
	}
	return a
}

// Read returns what err keeps of an answer, and its message, which may choose
// words and must not be quoted. It is nil if err is about a call without a response,
// or with a response that was not read to its end or cannot be decoded.
func Read(err error) (answer *Answer, message string) {
	if _, replaced := errors.AsType[surrogate.Error](err); replaced || Unsent(err) || errors.Is(err, httpbody.ErrTooLarge) {
		return nil, ""
	}
	api, coded := errors.AsType[smithy.APIError](err)
	response, answered := errors.AsType[*smithyhttp.ResponseError](err)
	answered = answered && response.HTTPStatusCode() != 0 // the SDK makes an empty one up
	if !coded && !answered {
		return nil, ""
	}
	var code string
	var status int
	if answered {
		code, status = headerCode(response), response.HTTPStatusCode()
	}
	if coded && api.ErrorCode() != "UnknownError" { // smithy's word for an answer without a code
		code, message = api.ErrorCode(), api.ErrorMessage()
	}
	return NewAnswer(code, status, requestID(err)), message
}

// Throttled reports whether the answer is that there were too many calls.
func (a Answer) Throttled() bool {
	return a.Status == http.StatusTooManyRequests || isThrottle(a.Code)
}

// String returns the facts that there are, or "".
func (a Answer) String() string {
	var facts []string
	if a.Code != "" {
		facts = append(facts, a.Code)
	}
	if a.Status != 0 {
		facts = append(facts, fmt.Sprintf("status %d", a.Status))
	}
	if a.RequestID != "" {
		facts = append(facts, "request "+a.RequestID)
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

// headerCode returns the code that stands beside a body which the SDK could not
// read.
func headerCode(response *smithyhttp.ResponseError) string {
	if response.Response == nil || response.Response.Response == nil {
		return ""
	}
	return response.Response.Header.Get("X-Amzn-Errortype")
}

// bare cuts the namespace and the documentation's address off a code.
func bare(code string) string {
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
