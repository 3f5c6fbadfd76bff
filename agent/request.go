package agent

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/hush-secrets/hush"
)

// A request names the secret that a client requests.
type request struct {
	id, version, stage string
	fresh              bool
}

// ref returns a Ref whose Name is the id unchanged. ParseRef would interpret an id that
// came from outside.
func (r request) ref() hush.Ref {
	ref := hush.Name(r.id)
	ref.Version, ref.Stage = r.version, r.stage
	if r.fresh {
		return ref.Fresh()
	}
	return ref
}

// parseQuery reads the parameters in their order. It reports the first fault. The last
// value of a repeated parameter counts. hasID says whether secretId is a parameter.
func parseQuery(query string, hasID bool) (r request, fault string) {
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key, keyErr := url.QueryUnescape(rawKey)
		value, valueErr := url.QueryUnescape(rawValue)
		if keyErr != nil || valueErr != nil {
			return r, "malformed query: % without two hex digits"
		}
		if fault := r.set(key, value, hasID); fault != "" {
			return r, fault
		}
	}
	return r, ""
}

func (r *request) set(key, value string, hasID bool) (fault string) {
	switch {
	case key == "secretId" && hasID:
		r.id = value
	case key == "versionId":
		r.version = value
	case key == "versionStage":
		r.stage = value
	case key == "refreshNow":
		switch strings.ToLower(value) {
		case "true", "1":
			r.fresh = true
		case "false", "0":
			r.fresh = false
		default:
			return "invalid refreshNow value"
		}
	default:
		return "unknown parameter: " + key
	}
	return ""
}

// rawPath returns the path as it was sent. EscapedPath alone would escape characters
// that the client should have escaped. Routing on a decoded path would find a route in
// a name.
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
