package extension

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/smapi"
	"github.com/hush-secrets/hush/internal/surrogate"
)

// A response is an HTTP response with any status.
type response struct {
	status int
	body   []byte
}

// notReady reports whether the server is not ready. The extension responds so in INIT,
// and sometimes at the start of the first invocation.
func (r response) notReady() bool {
	return r.status != http.StatusOK && r.contains("not ready to serve traffic")
}

func (r response) contains(text string) bool { return bytes.Contains(r.body, []byte(text)) }

func (r response) invalid(text string) *APIError {
	return responded(ReasonInvalidResponse, r.status, text)
}

// A secretBody is the body of a 200: the output of GetSecretValue as the SDKs encode
// it, and the members that package agent adds. The servers encode dates in different
// ways.
type secretBody struct {
	ARN           string
	Name          string
	VersionID     string `json:"VersionId"`
	SecretString  *string
	SecretBinary  []byte
	VersionStages []string
	CreatedDate   json.RawMessage

	Expires  json.RawMessage
	Stale    bool
	Fallback bool
}

// secret decodes the response to a request for ref.
func (r response) secret(ref hush.Ref) (hush.Secret, *APIError) {
	var b secretBody
	if err := json.Unmarshal(r.body, &b); err != nil {
		if r.contains(badToken) {
			return hush.Secret{}, tokenRejected(r.status)
		}
		return hush.Secret{}, r.invalid("the response is not a secret in JSON")
	}
	if err := surrogate.Check(r.body); err != nil {
		return hush.Secret{}, r.invalid(err.Error())
	}
	var value []byte
	switch {
	case b.SecretString != nil && b.SecretBinary != nil:
		return hush.Secret{}, r.invalid("the response has both a SecretString and a SecretBinary")
	case b.SecretString != nil:
		value = []byte(*b.SecretString)
	case b.SecretBinary != nil:
		value = b.SecretBinary
	default:
		return hush.Secret{}, r.invalid("the response has neither a SecretString nor a SecretBinary")
	}
	identity := smapi.Response{ARN: b.ARN, Name: b.Name, Version: b.VersionID, Stages: b.VersionStages}
	if part := identity.Mismatch(ref); part != "" {
		return hush.Secret{}, r.invalid("the response is for another " + part)
	}
	created, _ := parseDate(b.CreatedDate)
	secret := hush.Secret{
		Value: hush.NewValue(value), Version: b.VersionID, Stages: b.VersionStages, Created: created,
		Expires: b.expires(), Source: source, Stale: b.Stale, FromFallback: b.Fallback,
	}
	if e, ok := errors.AsType[*hush.Error](secret.Validate()); ok {
		return hush.Secret{}, r.invalid(e.Err.Error())
	}
	return secret, nil
}

func lacksCurrent(ref hush.Ref, s hush.Secret) bool {
	return smapi.Response{Stages: s.Stages}.LacksCurrent(ref)
}

// expires returns the time at which the secret expires. If the time is not readable, the
// secret has expired, so that no cache keeps it.
func (b secretBody) expires() time.Time {
	if len(b.Expires) == 0 || string(b.Expires) == "null" {
		return time.Time{}
	}
	if at, ok := parseDate(b.Expires); ok {
		return at
	}
	return time.Now()
}

// parseDate parses the three encodings: RFC 3339 (the extension), seconds since 1970 as
// a decimal string (the agent) and as a number (Secrets Manager).
func parseDate(raw json.RawMessage) (time.Time, bool) {
	text := strings.Trim(string(raw), `"`)
	if strings.Contains(text, ":") {
		at, err := time.Parse(time.RFC3339, text)
		return at.UTC(), err == nil
	}
	if strings.ContainsAny(text, "eE") {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || !(seconds >= 0 && seconds <= lastSecond) {
			return time.Time{}, false
		}
		return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC(), true
	}
	// A float64 would lose digits of the nanoseconds.
	whole, fraction, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || seconds > lastSecond {
		return time.Time{}, false
	}
	nanoseconds, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 32)
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), int64(nanoseconds)).UTC(), true
}

// lastSecond is the end of the year 9999, the last year of RFC 3339.
const lastSecond = 253402300799
