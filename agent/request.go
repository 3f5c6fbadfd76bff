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

// ref returns a Ref whose Name is the unchanged id. ParseRef would interpret the id of a
// client.
func (r request) ref() hush.Ref {
	ref := hush.Name(r.id)
	ref.Version, ref.Stage = r.version, r.stage
	if r.fresh {
		return ref.Fresh()
	}
	return ref
}

// parseQuery parses the parameters in their order and returns the first problem. The last
// value of a repeated parameter counts. hasID allows the parameter secretId.
func parseQuery(query string, hasID bool) (r request, problem string) {
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
		if problem := r.set(key, value, hasID); problem != "" {
			return r, problem
		}
	}
	return r, ""
}

func (r *request) set(key, value string, hasID bool) (problem string) {
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
