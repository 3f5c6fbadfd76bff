package agent

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/hush-secrets/hush"
)

// parseQuery parses the parameters in their order and returns the first problem. The last
// value of a repeated parameter counts. hasID allows the parameter secretId, which becomes
// the unchanged Name. ParseRef would interpret the text of a client.
func parseQuery(query string, hasID bool) (ref hush.Ref, problem string) {
	fresh := false
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key, keyErr := url.QueryUnescape(rawKey)
		value, valueErr := url.QueryUnescape(rawValue)
		if keyErr != nil || valueErr != nil {
			return ref, "malformed query: % without two hex digits"
		}
		switch {
		case key == "secretId" && hasID:
			ref.Name = value
		case key == "versionId":
			ref.Version = value
		case key == "versionStage":
			ref.Stage = value
		case key == "refreshNow":
			value = strings.ToLower(value)
			if fresh = value == "true" || value == "1"; !fresh && value != "false" && value != "0" {
				return ref, "invalid refreshNow value"
			}
		default:
			return ref, "unknown parameter: " + key
		}
	}
	if fresh {
		ref = ref.Fresh()
	}
	return ref, ""
}

// rawPath returns the path as the client sent it, because a decoded name could look like
// another route. EscapedPath alone would escape characters that the client should have
// escaped.
func rawPath(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath()
}

// isForwarded reports whether a proxy forwarded the request.
func isForwarded(header http.Header) bool {
	for _, name := range [...]string{"X-Forwarded-For", "Forwarded", "Via"} {
		if _, ok := header[name]; ok {
			return true
		}
	}
	return false
}
