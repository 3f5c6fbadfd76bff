package vaulttest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
)

// aws answers a login of type iam. The order of the checks and their words are
// those of a real server; what it would then ask AWS, accept is asked.
func (m *loginMount) aws(r *request) (*role, *fault) {
	if r.text("iam_http_request_method") == "" || r.text("iam_request_url") == "" || r.body["iam_request_headers"] == nil {
		return nil, refuse(http.StatusBadRequest, "didn't supply required authentication values")
	}
	login, why := awsLoginOf(r)
	if why != "" {
		return nil, refuse(http.StatusBadRequest, why)
	}
	found := m.roles[r.text("role")]
	switch {
	case found == nil:
		return nil, refuse(http.StatusBadRequest, "entry for role "+r.text("role")+" not found")
	case found.accept != nil && !found.accept(login):
		return nil, refuse(http.StatusBadRequest, "error making upstream request: received error code 403 from STS")
	}
	return found, nil
}

// awsLoginOf decodes what the client signed, or says what is wrong with it.
func awsLoginOf(r *request) (login AWSLogin, why string) {
	login.Method = r.text("iam_http_request_method")
	if login.Method != http.MethodGet && login.Method != http.MethodPost {
		return login, "invalid iam_http_request_method; currently only 'GET' and 'POST' are supported"
	}
	raw, err := base64.StdEncoding.DecodeString(r.text("iam_request_url"))
	if err != nil {
		return login, "failed to base64 decode iam_request_url"
	}
	if login.URL, err = url.Parse(string(raw)); err != nil {
		return login, "error parsing iam_request_url"
	}
	if login.Method == http.MethodPost && r.text("iam_request_body") == "" {
		return login, "missing iam_request_body which is required for POST requests"
	}
	raw, err = base64.StdEncoding.DecodeString(r.text("iam_request_body"))
	if err != nil {
		return login, "failed to base64 decode iam_request_body"
	}
	login.Body = string(raw)
	if why = checkAction(login); why != "" {
		return login, why
	}
	login.Header = headersOf(r.body["iam_request_headers"])
	if len(login.Header) == 0 {
		return login, "missing iam_request_headers"
	}
	return login, ""
}

// checkAction sees that the request asks who is calling and nothing else.
func checkAction(login AWSLogin) (why string) {
	said := login.URL.Query()
	if login.Method == http.MethodPost {
		body, err := url.ParseQuery(login.Body)
		if err != nil || len(said) > 0 {
			return "request body does not parse, or the URL has parameters of its own"
		}
		said = body
	}
	if actions := said["Action"]; len(actions) != 1 || actions[0] != "GetCallerIdentity" {
		return "request does not have the one action GetCallerIdentity"
	}
	return ""
}

// headersOf reads headers as a client may send them: an object, or the text of
// one in JSON or in base64, whose members are text or lists of it.
func headersOf(sent any) http.Header {
	if text, ok := sent.(string); ok {
		if plain, err := base64.StdEncoding.DecodeString(text); err == nil {
			text = string(plain)
		}
		sent = nil
		_ = json.Unmarshal([]byte(text), &sent) // what is none has no headers
	}
	members, _ := sent.(map[string]any)
	header := http.Header{}
	for name, value := range members {
		values, ok := value.([]any)
		if !ok {
			values = []any{value}
		}
		for _, one := range values {
			text, _ := one.(string)
			header.Add(name, text)
		}
	}
	return header
}
