package agent

import (
	"net/url"
	"strings"

	"github.com/hush-secrets/hush"
)

// A question is what a request asks for.
type question struct {
	id, version, stage string
	fresh              bool
}

// ref takes the id as it is: it came from outside, and ParseRef would read more
// into it.
func (q question) ref() hush.Ref {
	ref := hush.Name(q.id)
	ref.Version, ref.Stage = q.version, q.stage
	if q.fresh {
		return ref.Fresh()
	}
	return ref
}

// parseQuery reads the parameters in the order in which they come: the first
// fault is reported, the last of a repeated one wins. hasID says whether secretId
// is one of them.
func parseQuery(query string, hasID bool) (q question, fault string) {
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key, keyErr := url.QueryUnescape(rawKey)
		value, valueErr := url.QueryUnescape(rawValue)
		if keyErr != nil || valueErr != nil {
			return q, "malformed query: % without two hex digits"
		}
		if fault := q.set(key, value, hasID); fault != "" {
			return q, fault
		}
	}
	return q, ""
}

func (q *question) set(key, value string, hasID bool) (fault string) {
	switch {
	case key == "secretId" && hasID:
		q.id = value
	case key == "versionId":
		q.version = value
	case key == "versionStage":
		q.stage = value
	case key == "refreshNow":
		switch strings.ToLower(value) {
		case "true", "1":
			q.fresh = true
		case "false", "0":
			q.fresh = false
		default:
			return "invalid refreshNow value"
		}
	default:
		return "unknown parameter: " + key
	}
	return ""
}
