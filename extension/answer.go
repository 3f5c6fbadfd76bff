package extension

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/surrogate"
)

// A reply is the body of a 200: GetSecretValue's output as the SDKs marshal it,
// with what package agent adds to it. The dates are kept raw because each server
// writes them in its own way.
type reply struct {
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

// secret decodes the body of a 200 response to a request for ref.
func (a answer) secret(ref hush.Ref) (hush.Secret, *APIError) {
	var r reply
	// json replaces what is not UTF-8, which would be another secret.
	if !utf8.Valid(a.body) || json.Unmarshal(a.body, &r) != nil {
		if a.says(badToken) {
			return hush.Secret{}, tokenRejected(a.status)
		}
		return hush.Secret{}, a.invalid("the response is not a secret in JSON")
	}
	if surrogate.Lone(a.body) {
		return hush.Secret{}, a.invalid(surrogate.ErrLone.Error())
	}
	var value []byte
	switch {
	case r.SecretString != nil && r.SecretBinary != nil:
		return hush.Secret{}, a.invalid("the response has both a SecretString and a SecretBinary")
	case r.SecretString != nil:
		value = []byte(*r.SecretString)
	case r.SecretBinary != nil:
		value = r.SecretBinary
	default:
		return hush.Secret{}, a.invalid("the response has neither a SecretString nor a SecretBinary")
	}
	if what := r.strays(ref); what != "" {
		return hush.Secret{}, a.invalid("the response is for another " + what)
	}
	created, _ := parseDate(r.CreatedDate)
	secret := hush.Secret{
		Value: hush.NewValue(value), Version: r.VersionID, Stages: r.VersionStages, Created: created,
		Expires: r.expires(), Source: name, Stale: r.Stale, FromFallback: r.Fallback,
	}
	if e, ok := errors.AsType[*hush.Error](secret.Validate()); ok {
		return hush.Secret{}, a.invalid(e.Err.Error())
	}
	return secret, nil
}

func (a answer) invalid(text string) *APIError {
	return responded(ReasonInvalidResponse, a.status, text)
}

// strays returns what r disagrees about with ref: nothing, if it says nothing
// that can be compared.
func (r reply) strays(ref hush.Ref) string {
	whole := ref.Key()
	switch {
	case !r.answers(ref.Name):
		return "name"
	case whole.Version != "" && r.VersionID != "" && r.VersionID != whole.Version:
		return "version"
	case whole.Stage != "" && len(r.VersionStages) > 0 && !slices.Contains(r.VersionStages, whole.Stage):
		return "stage"
	}
	return ""
}

// answers compares id, a name or an ARN, with the reply's ARN or Name.
func (r reply) answers(id string) bool {
	isARN := strings.HasPrefix(id, "arn:")
	switch {
	case isARN && r.ARN != "":
		return completes(r.ARN, id)
	case isARN && r.Name != "":
		_, resource, _ := strings.Cut(id, ":secret:")
		return resource == "" || completes(resource, r.Name)
	case !isARN && r.Name != "":
		return r.Name == id
	case !isARN && r.ARN != "":
		_, resource, _ := strings.Cut(r.ARN, ":secret:")
		return resource == "" || completes(resource, id)
	}
	return true
}

// completes reports whether full is part, or part with the hyphen and the six
// characters that Secrets Manager ends an ARN with and a caller may leave out.
func completes(full, part string) bool {
	suffix, ok := strings.CutPrefix(full, part)
	return ok && (suffix == "" || len(suffix) == len("-AbCdEf") && suffix[0] == '-')
}

// expires returns when the secret ends. If that cannot be read it may be any
// moment: now, so that no cache keeps the secret.
func (r reply) expires() time.Time {
	if len(r.Expires) == 0 || string(r.Expires) == "null" {
		return time.Time{}
	}
	if at, ok := parseDate(r.Expires); ok {
		return at
	}
	return time.Now()
}

// parseDate reads the encodings in use: RFC 3339 (the extension), seconds since
// 1970 as a decimal string (the agent) or as a number (Secrets Manager itself).
func parseDate(raw json.RawMessage) (time.Time, bool) {
	text := strings.Trim(string(raw), `"`)
	if strings.Contains(text, ":") {
		at, err := time.Parse(time.RFC3339, text)
		return at.UTC(), err == nil
	}
	if strings.ContainsAny(text, "eE") {
		return parseScientific(text)
	}
	// By its digits: a float64 would lose some of the nanoseconds.
	whole, fraction, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || seconds > lastSecond {
		return time.Time{}, false
	}
	fraction = (fraction + "000000000")[:9]
	nanoseconds, err := strconv.ParseUint(fraction, 10, 32)
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), int64(nanoseconds)).UTC(), true
}

// lastSecond is the end of the year 9999, after which RFC 3339 has no years.
const lastSecond = 253402300799

func parseScientific(text string) (time.Time, bool) {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds >= 0 && seconds <= lastSecond) {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC(), true
}
