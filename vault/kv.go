package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/internal/call"
)

// errMisplaced is about a 404 with a warning, as KV v2 gives it for a path of KV v1.
var errMisplaced = &APIError{
	Status: http.StatusNotFound,
	reason: "no secret of that name; Vault warns that the path may not be one of this engine: is the version of KV right?",
}

var errKV = errors.New("the KV engine's version is 1 or 2, or 0 to be found out")

// A mount is where a KV engine is, and of which version.
type mount struct {
	path    string
	folder  string // below path, and above every name
	version int
}

func (p *Provider) read(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	if p.session.fault != nil {
		return hush.Secret{}, call.Failf(hush.ErrUnavailable, "%w", p.session.fault)
	}
	if err := checkName(ref); err != nil {
		return hush.Secret{}, err
	}
	if ref.Stage != "" {
		return hush.Secret{}, call.Failf(hush.ErrUnsupported, "Vault has no stages")
	}
	m, err := p.mount(ctx)
	if err != nil {
		return hush.Secret{}, err
	}
	secret, err := m.read(ctx, p.session, ref)
	if p.ask && errors.Is(err, errMisplaced) {
		p.found.CompareAndSwap(m, nil) // somebody has enabled versioning since
		if m, err = p.mount(ctx); err == nil {
			secret, err = m.read(ctx, p.session, ref)
		}
	}
	return secret, err
}

func (m *mount) read(ctx context.Context, s *session, ref hush.Ref) (hush.Secret, error) {
	if m.version == 1 {
		return m.readV1(ctx, s, ref)
	}
	return m.readV2(ctx, s, ref)
}

func (m *mount) readV1(ctx context.Context, s *session, ref hush.Ref) (hush.Secret, error) {
	if ref.Version != "" {
		return hush.Secret{}, call.Failf(hush.ErrUnsupported, "version 1 of the KV engine keeps no versions")
	}
	body, err := s.get(ctx, join(m.path, m.folder, ref.Name), nil)
	if err != nil {
		return hush.Secret{}, missing(body, err, ref, "")
	}
	var answer struct{ Data json.RawMessage }
	if json.Unmarshal(body, &answer) != nil {
		return hush.Secret{}, errUnreadable
	}
	value, err := object(answer.Data)
	return hush.Secret{Value: value, Source: source}, err
}

func (m *mount) readV2(ctx context.Context, s *session, ref hush.Ref) (hush.Secret, error) {
	var query url.Values
	if ref.Version != "" {
		// Vault reads a number that begins with a zero as an octal one.
		if _, err := strconv.ParseUint(ref.Version, 10, 31); err != nil || ref.Version[0] == '0' {
			return hush.Secret{}, call.Failf(hush.ErrNotFound, "versions of the KV engine are numbers from 1")
		}
		query = url.Values{"version": {ref.Version}}
	}
	body, err := s.get(ctx, join(m.path, "data", m.folder, ref.Name), query)
	if err != nil {
		return hush.Secret{}, missing(body, err, ref, m.hint(ref.Name))
	}
	var answer v2Answer
	if json.Unmarshal(body, &answer) != nil || answer.Data.Metadata.Version < 1 {
		return hush.Secret{}, errUnreadable
	}
	secret, err := answer.secret()
	if err == nil && ref.Version != "" && ref.Version != secret.Version {
		return hush.Secret{}, call.Failf(hush.ErrUnavailable, "Vault answered with version %s instead", secret.Version)
	}
	return secret, err
}

// A v2Answer is the answer of KV v2, to a version that is deleted, too.
type v2Answer struct {
	Data struct {
		Data     json.RawMessage
		Metadata struct {
			CreatedTime    string            `json:"created_time"`
			CustomMetadata map[string]string `json:"custom_metadata"`
			DeletionTime   string            `json:"deletion_time"`
			Destroyed      bool
			Version        int64
		}
	}
	Warnings []string
}

func (a *v2Answer) secret() (hush.Secret, error) {
	meta := &a.Data.Metadata
	value, err := object(a.Data.Data)
	return hush.Secret{
		Value:    value,
		Version:  strconv.FormatInt(meta.Version, 10),
		Created:  parseTime(meta.CreatedTime),
		Expires:  parseTime(meta.DeletionTime),
		Metadata: meta.CustomMetadata,
		Source:   source,
	}, err
}

// parseTime returns the time in text, or none: a date that cannot be read must not
// lose the secret.
func parseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// hint returns what to do about a missing secret whose name is a path of the HTTP
// API, such as data/db/app.
func (m *mount) hint(name string) string {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(name, m.path+"/"), "data/")
	if !ok {
		return ""
	}
	return fmt.Sprintf("; a name leaves out the data/ of the HTTP API: use %q", rest)
}

// missing returns what a 404 means. Its body says which version is deleted or
// destroyed. hint is added if there is no such secret.
func missing(body []byte, err error, ref hush.Ref, hint string) error {
	answer, ok := errors.AsType[*api.ResponseError](err)
	if !ok || answer.StatusCode != http.StatusNotFound {
		return err
	}
	var a v2Answer
	if json.Unmarshal(body, &a) != nil {
		return err
	}
	meta := &a.Data.Metadata
	reason := "no secret of that name" + hint
	switch {
	case len(a.Warnings) > 0:
		return call.Fail(hush.ErrNotFound, errMisplaced)
	case meta.Destroyed:
		reason = "version " + strconv.FormatInt(meta.Version, 10) + " is destroyed"
	case meta.DeletionTime != "":
		reason = "version " + strconv.FormatInt(meta.Version, 10) + " is deleted"
	case ref.Version != "":
		reason = "no secret of that name, or version " + ref.Version + " of it was never written" + hint
	}
	return call.Fail(hush.ErrNotFound, &APIError{Status: answer.StatusCode, reason: reason})
}

func join(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		if part == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('/')
		}
		b.WriteString(part)
	}
	return b.String()
}
