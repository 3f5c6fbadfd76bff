// Package agentprotocol has the table of the requests that the agent rejects. The tests of
// the handler, of the command, of other clients and of the documentation use it.
package agentprotocol

import "github.com/hush-secrets/hush"

// TokenHeader is the header that AWS's clients use for the token.
const TokenHeader = "X-Aws-Parameters-Secrets-Token"

// A Case is a request and the response of an agent that serves every name.
type Case struct {
	Name           string
	Method, Target string
	Headers        map[string]string // complete, with the token
	Status         int
	Body           string
}

// Cases returns requests that the agent responds to without a call of the store. They are
// in the order of the agent's checks. A request that several checks would reject shows
// this order.
func Cases(token string) []Case {
	return append(withoutToken(token), withToken(token)...)
}

const db = "/secretsmanager/get?secretId=db"

// withoutToken returns requests that do not authenticate, and requests for /ping.
func withoutToken(token string) []Case {
	var (
		none           map[string]string
		right          = map[string]string{TokenHeader: token}
		wrong          = map[string]string{TokenHeader: token + "x"}
		short          = map[string]string{TokenHeader: token[1:]}
		empty          = map[string]string{TokenHeader: ""}
		forwarded      = map[string]string{TokenHeader: token, "X-Forwarded-For": "127.0.0.1"}
		via            = map[string]string{TokenHeader: token, "Via": "1.1 proxy"}
		forwardedEmpty = map[string]string{TokenHeader: token, "Forwarded": ""}
		forwardedWrong = map[string]string{TokenHeader: token + "x", "X-Forwarded-For": "127.0.0.1"}
	)
	return []Case{
		{"ping", "GET", "/ping", none, 200, "healthy"},
		{"ping with a token", "GET", "/ping", right, 200, "healthy"},
		{"forwarded ping", "GET", "/ping?x=y", forwardedWrong, 200, "healthy"},
		{"ping by POST", "POST", "/ping", none, 405, "Not allowed"},
		{"ping with a slash", "GET", "/ping/", none, 403, "Bad Token"},
		{"escaped ping", "GET", "/%70ing", none, 403, "Bad Token"},
		{"forwarded with a wrong token", "POST", "/nowhere", forwardedWrong, 400, "Forwarded"},
		{"X-Forwarded-For", "GET", db, forwarded, 400, "Forwarded"},
		{"empty Forwarded", "GET", db, forwardedEmpty, 400, "Forwarded"},
		{"Via", "GET", "/v1/db", via, 400, "Forwarded"},
		{"no token by POST", "POST", "/nowhere", none, 403, "Bad Token"},
		{"wrong token by POST", "POST", "/nowhere", wrong, 403, "Bad Token"},
		{"no token", "GET", db, none, 403, "Bad Token"},
		{"empty token", "GET", db, empty, 403, "Bad Token"},
		{"wrong token", "GET", db, wrong, 403, "Bad Token"},
		{"wrong token for a path", "GET", "/v1/db", wrong, 403, "Bad Token"},
		{"part of the token", "GET", db, short, 403, "Bad Token"},
	}
}

// withToken returns requests that authenticate but are not valid.
func withToken(token string) []Case {
	right := map[string]string{TokenHeader: token}
	return []Case{
		{"POST", "POST", "/nowhere", right, 405, "Not allowed"},
		{"PUT", "PUT", db, right, 405, "Not allowed"},
		{"unknown path", "GET", "/nowhere", right, 404, "Not found"},
		{"root", "GET", "/", right, 404, "Not found"},
		{"slash after the path", "GET", "/secretsmanager/get/?secretId=db", right, 404, "Not found"},
		{"two slashes", "GET", "//secretsmanager/get?secretId=db", right, 404, "Not found"},
		{"escaped letter", "GET", "/secretsmanager/%67et?secretId=db", right, 404, "Not found"},
		{"escaped slash", "GET", "/secretsmanager%2Fget?secretId=db", right, 404, "Not found"},
		{"path with dots", "GET", "/x/../secretsmanager/get?secretId=db", right, 404, "Not found"},
		{"capital letters", "GET", "/SecretsManager/Get?secretId=db", right, 404, "Not found"},
		{"prefix without a slash", "GET", "/v1", right, 404, "Not found"},
		{"parameter", "GET", "/systemsmanager/parameters/get?name=x", right, 404, "Not found: Parameter Store is not served here, only /secretsmanager/get"},
		{"no secretId", "GET", "/secretsmanager/get", right, 400, "missing parameter secretId"},
		{"empty secretId", "GET", "/secretsmanager/get?secretId=", right, 400, "missing parameter secretId"},
		{"last secretId is empty", "GET", db + "&secretId=", right, 400, "missing parameter secretId"},
		{"secretid in lower case", "GET", "/secretsmanager/get?secretid=db", right, 400, "unknown parameter: secretid"},
		{"roleArn", "GET", db + "&roleArn=x", right, 400, "unknown parameter: roleArn"},
		{"escaped parameter", "GET", db + "&a%20b=", right, 400, "unknown parameter: a b"},
		{"refreshNow=yes", "GET", db + "&refreshNow=yes", right, 400, "invalid refreshNow value"},
		{"empty refreshNow", "GET", db + "&refreshNow=", right, 400, "invalid refreshNow value"},
		{"malformed escape", "GET", "/secretsmanager/get?secretId=%zz", right, 400, "malformed query: % without two hex digits"},
		{"path without a name", "GET", "/v1/", right, 400, "missing secret ID"},
		{"secretId for an empty path", "GET", "/v1/?secretId=db", right, 400, "missing secret ID"},
		{"secretId for a path", "GET", "/v1/db?secretId=db", right, 400, "unknown parameter: secretId"},
	}
}

// An Error is the status and the type of the response for a class.
type Error struct {
	Status int
	Type   string
}

// Errors has the response for each class of failure of the store.
var Errors = map[hush.Class]Error{
	hush.ErrNotFound:        {400, "ResourceNotFoundException"},
	hush.ErrInvalidRef:      {400, "InvalidParameterException"},
	hush.ErrDenied:          {400, "AccessDeniedException"},
	hush.ErrUnauthenticated: {400, "ExpiredTokenException"},
	hush.ErrThrottled:       {400, "ThrottlingException"},
	hush.ErrRefused:         {400, "hush#Refused"},
	hush.ErrAbsent:          {400, "hush#Absent"},
	hush.ErrUnsupported:     {400, "hush#Unsupported"},
	hush.ErrUnavailable:     {503, "InternalFailure"},
	hush.ErrRejected:        {503, "InternalFailure"},
	hush.ErrCanceled:        {503, "InternalFailure"},
}
