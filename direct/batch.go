package direct

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/awsfault"
	"github.com/hush-secrets/hush/internal/limit"
	"github.com/hush-secrets/hush/internal/parallel"
	"github.com/hush-secrets/hush/internal/smapi"
)

const (
	parallelCalls = 8
	maxBatch      = 20 // the limit of Secrets Manager for the ids in one call
)

// A batchAPI is the method that Options.Batch requires in addition to [API].
type batchAPI interface {
	BatchGetSecretValue(ctx context.Context, in *secretsmanager.BatchGetSecretValueInput, opts ...func(*secretsmanager.Options)) (*secretsmanager.BatchGetSecretValueOutput, error)
}

// GetBatch returns what Get would return for each of refs. It makes eight single calls
// at a time, each with its own timeout.
//
// With Options.Batch, it first reads the current versions with BatchGetSecretValue, 20
// in a call. Names and ARNs, and different regions, are in different calls. A batch has
// one attempt and the timeout of a Get. Its results for missing and denied secrets are
// final. Single calls read the rest: other versions and stages, secrets that failed for
// another reason, missing or ambiguous entries, and all secrets of a batch that failed.
// If a batch reaches the timeout, or if the caller's context ends, all of its secrets
// fail.
func (p *Provider) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	results := make([]hush.Result, len(refs))
	found := p.fetchBatches(ctx, refs)
	var rest []int
	for i, ref := range refs {
		if entry, ok := found[ref.Name]; ok && isBatchable(ref) {
			results[i] = entry.result(ref)
		} else {
			rest = append(rest, i)
		}
	}
	parallel.Each(len(rest), parallelCalls, func(i int) {
		r := &results[rest[i]]
		r.Secret, r.Err = p.Get(ctx, refs[rest[i]])
	})
	return results
}

// isBatchable reports whether a batch can read ref, whose name is valid.
func isBatchable(ref hush.Ref) bool {
	key := ref.Key()
	return key.Version == "" && key.Stage == "" && ref.Validate() == nil
}

// An entry is the result of a batch for one id: a secret, or a class and a cause.
type entry struct {
	secret hush.Secret
	class  hush.Class
	cause  error
}

func (e entry) result(ref hush.Ref) hush.Result {
	if e.cause != nil {
		return hush.Result{Err: hush.NewError(source, ref, e.class, e.cause)}
	}
	secret, err := ref.Select(e.secret)
	return hush.Result{Secret: secret, Err: err}
}

// A batch is the ids of one call. It has only names or only ARNs, so that a secret of
// another account cannot match a name.
type batch struct {
	region string // of ARNs; empty for names
	ids    []string
}

// fetchBatches returns the final results by id.
func (p *Provider) fetchBatches(ctx context.Context, refs []hush.Ref) map[string]entry {
	if p.batch.Get() == nil || ctx.Err() != nil {
		return nil
	}
	batches := batchesOf(refs)
	found := make([]map[string]entry, len(batches))
	parallel.Each(len(batches), parallelCalls, func(i int) { found[i] = p.fetchBatch(ctx, batches[i]) })
	all := map[string]entry{}
	for _, entries := range found {
		maps.Copy(all, entries)
	}
	return all
}

// batchesOf splits refs into batches. It leaves out a batch of one id.
func batchesOf(refs []hush.Ref) (batches []batch) {
	ids := map[string][]string{} // by region
	for _, ref := range refs {
		region, err := regionOf(ref.Name)
		if err == nil && isBatchable(ref) && !slices.Contains(ids[region], ref.Name) {
			ids[region] = append(ids[region], ref.Name)
		}
	}
	for region, all := range ids {
		for chunk := range slices.Chunk(all, maxBatch) {
			if len(chunk) > 1 {
				batches = append(batches, batch{region, chunk})
			}
		}
	}
	return batches
}

// fetchBatch returns the final results of one batch by id.
func (p *Provider) fetchBatch(ctx context.Context, b batch) map[string]entry {
	limited, cancel := limit.Context(ctx, p.timeout, "Secrets Manager")
	defer cancel()
	o := p.observer(b.region, 1)
	out, err := p.fetchPages(limited, b, o)
	if err == nil {
		return b.match(out)
	}
	if o.apiError(err) != nil {
		return nil
	}
	class, cause := o.classify(ctx, limited, err)
	if limited.Err() == nil {
		return nil
	}
	entries := map[string]entry{}
	for _, id := range b.ids {
		entries[id] = entry{class: class, cause: cause}
	}
	return entries
}

// fetchPages returns all pages as one. There are at most as many pages as ids.
func (p *Provider) fetchPages(ctx context.Context, b batch, o *observer) (all secretsmanager.BatchGetSecretValueOutput, err error) {
	in := &secretsmanager.BatchGetSecretValueInput{SecretIdList: b.ids}
	for range b.ids {
		out, err := p.batch.Get().BatchGetSecretValue(ctx, in, o.configure)
		if err != nil {
			return all, err
		}
		if out == nil {
			break
		}
		all.SecretValues = append(all.SecretValues, out.SecretValues...)
		all.Errors = append(all.Errors, out.Errors...)
		all.ResultMetadata = out.ResultMetadata
		if aws.ToString(out.NextToken) == "" {
			break
		}
		in.NextToken = out.NextToken
	}
	return all, nil
}

// match returns the final results in out by id. An id has no result if out has no valid
// secret for it, or several different ones.
func (b batch) match(out secretsmanager.BatchGetSecretValueOutput) map[string]entry {
	requestID, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	entries, failed := map[string]entry{}, map[string]bool{}
	for _, failure := range out.Errors {
		id := aws.ToString(failure.SecretId)
		failed[id] = true
		e := newAPIError(awsfault.NewResponse(aws.ToString(failure.ErrorCode), 0, requestID), aws.ToString(failure.Message))
		if (e.class == hush.ErrNotFound || e.class == hush.ErrDenied) && slices.Contains(b.ids, id) {
			entries[id] = entry{class: e.class, cause: e}
		}
	}
	for _, id := range b.ids {
		value := find(id, out.SecretValues)
		if failed[id] || value == nil {
			continue
		}
		secret, err := decode(hush.Name(id), &secretsmanager.GetSecretValueOutput{
			ARN: value.ARN, Name: value.Name, CreatedDate: value.CreatedDate, SecretBinary: value.SecretBinary,
			SecretString: value.SecretString, VersionId: value.VersionId, VersionStages: value.VersionStages,
		})
		if err == nil {
			entries[id] = entry{secret: secret}
		}
	}
	return entries
}

// find returns the only value for id, or nil. A secret that was requested by two of its
// names may be there twice.
func find(id string, values []types.SecretValueEntry) (found *types.SecretValueEntry) {
	for i := range values {
		v := &values[i]
		switch {
		case !matches(id, v):
		case found == nil:
			found = v
		case aws.ToString(v.ARN) != aws.ToString(found.ARN), aws.ToString(v.VersionId) != aws.ToString(found.VersionId):
			return nil
		}
	}
	return found
}

// matches reports whether v is the secret id. Unlike in a response with one value, a
// missing ARN or name does not match.
func matches(id string, v *types.SecretValueEntry) bool {
	r := smapi.Response{ARN: aws.ToString(v.ARN), Name: aws.ToString(v.Name)}
	if r.ARN == "" && (r.Name == "" || strings.HasPrefix(id, "arn:")) {
		return false
	}
	return r.IsSecret(id)
}
