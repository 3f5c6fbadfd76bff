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

// errWrongEngine is for a 404 with a warning. KV v2 responds so to a path of KV v1.
var errWrongEngine = &APIError{
	Status: http.StatusNotFound,
	reason: "no such secret; Vault warns that the path may not belong to this engine: check the version of KV",
}

// read reads the secret of ref. If Vault warns that the path belongs to another version
// of the engine, read asks for the version again: it may have been upgraded.
func (p *Provider) read(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	ref = ref.Key()
	if err := checkName(ref.Name); err != nil {
		return hush.Secret{}, err
	}
	if ref.Stage != "" {
		return hush.Secret{}, call.Failf(hush.ErrUnsupported, "Vault has no stages")
	}
	e, err := p.engine(ctx)
	if err != nil {
		return hush.Secret{}, err
	}
	secret, err := e.read(ctx, p.session, ref)
	if p.configured.version == 0 && errors.Is(err, errWrongEngine) {
		p.discovered.CompareAndSwap(e, nil)
		if e, err = p.engine(ctx); err == nil {
			secret, err = e.read(ctx, p.session, ref)
		}
	}
	return secret, err
}

func (e *engine) read(ctx context.Context, s *session, ref hush.Ref) (hush.Secret, error) {
	if e.version == 1 {
		return e.readV1(ctx, s, ref)
	}
	return e.readV2(ctx, s, ref)
}

func (e *engine) readV1(ctx context.Context, s *session, ref hush.Ref) (hush.Secret, error) {
	if ref.Version != "" {
		return hush.Secret{}, call.Failf(hush.ErrUnsupported, "version 1 of the KV engine has no versions")
	}
	body, _, err := s.get(ctx, e.prefix+ref.Name, nil)
	if err != nil {
		return hush.Secret{}, notFound(body, err, ref, "")
	}
	var response struct{ Data json.RawMessage }
	if json.Unmarshal(body, &response) != nil {
		return hush.Secret{}, errUnreadable
	}
	value, err := canonical(response.Data)
	return hush.Secret{Value: value, Source: source}, err
}

func (e *engine) readV2(ctx context.Context, s *session, ref hush.Ref) (hush.Secret, error) {
	var query url.Values
	if ref.Version != "" {
		// Vault reads a number with a leading zero as an octal number.
		if _, err := strconv.ParseUint(ref.Version, 10, 31); err != nil || ref.Version[0] == '0' {
			return hush.Secret{}, call.Failf(hush.ErrNotFound, "versions of the KV engine are numbers from 1")
		}
		query = url.Values{"version": {ref.Version}}
	}
	body, _, err := s.get(ctx, e.prefix+ref.Name, query)
	if err != nil {
		return hush.Secret{}, notFound(body, err, ref, e.nameHint(ref.Name))
	}
	var response v2Response
	if json.Unmarshal(body, &response) != nil || response.Data.Metadata.Version < 1 {
		return hush.Secret{}, errUnreadable
	}
	secret, err := response.secret()
	if err == nil && ref.Version != "" && ref.Version != secret.Version {
		return hush.Secret{}, call.Failf(hush.ErrUnavailable, "Vault returned version %s instead", secret.Version)
	}
	return secret, err
}

// A v2Response is a response of KV v2. A 404 for a deleted version has the same form.
type v2Response struct {
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

func (r *v2Response) secret() (hush.Secret, error) {
	meta := &r.Data.Metadata
	value, err := canonical(r.Data.Data)
	return hush.Secret{
		Value:    value,
		Version:  strconv.FormatInt(meta.Version, 10),
		Created:  parseTime(meta.CreatedTime),
		Expires:  parseTime(meta.DeletionTime),
		Metadata: meta.CustomMetadata,
		Source:   source,
	}, err
}

// parseTime returns the zero time if text is not a valid time, because an invalid time
// must not lose the secret.
func parseTime(text string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, text)
	return t
}

// nameHint returns the remedy if name is a path of the HTTP API, such as data/db/app.
func (e *engine) nameHint(name string) string {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(name, e.mount+"/"), "data/")
	if !ok {
		return ""
	}
	return fmt.Sprintf("; use the name %q, without the data/ of the HTTP API", rest)
}

// notFound returns the reason of a 404, or err if it is another error. The body says
// whether a version is deleted or destroyed. hint is added if there is no such secret.
func notFound(body []byte, err error, ref hush.Ref, hint string) error {
	response, ok := errors.AsType[*api.ResponseError](err)
	if !ok || response.StatusCode != http.StatusNotFound {
		return err
	}
	var r v2Response
	if json.Unmarshal(body, &r) != nil {
		return err
	}
	meta := &r.Data.Metadata
	reason := "no such secret" + hint
	switch {
	case len(r.Warnings) > 0:
		return call.Fail(hush.ErrNotFound, errWrongEngine)
	case meta.Destroyed:
		reason = fmt.Sprintf("version %d is destroyed", meta.Version)
	case meta.DeletionTime != "":
		reason = fmt.Sprintf("version %d is deleted", meta.Version)
	case ref.Version != "":
		reason = fmt.Sprintf("no such secret, or version %s was never written%s", ref.Version, hint)
	}
	return call.Fail(hush.ErrNotFound, &APIError{Status: response.StatusCode, reason: reason})
}
