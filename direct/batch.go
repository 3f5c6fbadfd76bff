package direct

import (
	"cmp"
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
	"github.com/hush-secrets/hush/internal/current"
	"github.com/hush-secrets/hush/internal/limit"
	"github.com/hush-secrets/hush/internal/parallel"
)

const (
	callsAtOnce = 8
	maxBatch    = 20 // ids that Secrets Manager takes in one call
)

// A BatchAPI is what Options.Batch needs of a client beside [API]; a
// *secretsmanager.Client is one.
type BatchAPI interface {
	BatchGetSecretValue(ctx context.Context, in *secretsmanager.BatchGetSecretValueInput, opts ...func(*secretsmanager.Options)) (*secretsmanager.BatchGetSecretValueOutput, error)
}

var _ hush.BatchProvider = (*Provider)(nil)

// GetBatch answers each of refs as Get does, by single calls, eight at a time, each
// with its own time limit.
//
// With Options.Batch the current versions are read by BatchGetSecretValue first, 20
// a call, names apart from ARNs and each region apart. It is tried once, within the
// same time limit as a Get. What it says is not found or denied is so; whatever
// else it does not answer is asked for by itself: other versions and stages, what
// failed for another reason, what is missing from the answer or answered twice, and
// all of a batch that was denied, throttled or lost. Only a batch that ran into the
// limit, or the caller's end, fails all of its secrets.
func (p *Provider) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	results := make([]hush.Result, len(refs))
	answers := p.askBatches(ctx, refs)
	var rest []int
	for i, ref := range refs {
		if a, ok := answers[ref.Name]; ok && batchable(ref) {
			results[i] = a.to(ref)
		} else {
			rest = append(rest, i)
		}
	}
	parallel.Each(len(rest), callsAtOnce, func(i int) {
		r := &results[rest[i]]
		r.Secret, r.Err = p.Get(ctx, refs[rest[i]])
	})
	return results
}

// batchable reports whether a batch can answer ref, whose name is known to be one.
func batchable(ref hush.Ref) bool {
	whole := ref.Key()
	return whole.Version == "" && whole.Stage == "" && ref.Validate() == nil
}

// A batch is one call's ids. In one of names alone, and in one of ARNs alone, no
// secret of another account can be taken for the one that was asked for.
type batch struct {
	region string // of ARNs; empty for names
	ids    []string
}

func (p *Provider) askBatches(ctx context.Context, refs []hush.Ref) map[string]answer {
	if p.batch.Get() == nil || ctx.Err() != nil {
		return nil
	}
	batches := batchesOf(refs)
	found := make([]map[string]answer, len(batches))
	parallel.Each(len(batches), callsAtOnce, func(i int) { found[i] = p.askBatch(ctx, batches[i]) })
	all := map[string]answer{}
	for _, answers := range found {
		maps.Copy(all, answers)
	}
	return all
}

// batchesOf returns the batches to ask for. A single id is left to a single call.
func batchesOf(refs []hush.Ref) (batches []batch) {
	ids, regions := map[string][]string{}, []string(nil)
	for _, ref := range refs {
		region, err := regionOf(ref.Name)
		if err != nil || !batchable(ref) || slices.Contains(ids[region], ref.Name) {
			continue
		}
		if ids[region] == nil {
			regions = append(regions, region)
		}
		ids[region] = append(ids[region], ref.Name)
	}
	for _, region := range regions {
		for chunk := range slices.Chunk(ids[region], maxBatch) {
			if len(chunk) > 1 {
				batches = append(batches, batch{region, chunk})
			}
		}
	}
	return batches
}

// askBatch returns what a batch answers, by id.
func (p *Provider) askBatch(ctx context.Context, b batch) map[string]answer {
	limited, cancel := limit.Context(ctx, p.timeout, "Secrets Manager")
	defer cancel()
	w := p.watch(b.region, 1)
	out, err := p.pages(limited, b, w)
	if err == nil {
		return b.match(out)
	}
	if w.answer(err) != nil {
		return nil
	}
	class, cause := w.verdict(ctx, limited, err)
	if limited.Err() == nil {
		return nil
	}
	answers := map[string]answer{}
	for _, id := range b.ids {
		answers[id] = answer{class: class, cause: cause}
	}
	return answers
}

// pages asks until the answer is whole. There is no more than a page for each id.
func (p *Provider) pages(ctx context.Context, b batch, w *watch) (all secretsmanager.BatchGetSecretValueOutput, err error) {
	in := &secretsmanager.BatchGetSecretValueInput{SecretIdList: b.ids}
	for range b.ids {
		out, err := p.batch.Get().BatchGetSecretValue(ctx, in, w.options)
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

// match finds the response to each id. An id has none here if the response has no
// entry for it, or several different ones, or one that is not the current version.
func (b batch) match(out secretsmanager.BatchGetSecretValueOutput) map[string]answer {
	answers := map[string]answer{}
	refused := map[string]bool{}
	for _, fault := range out.Errors {
		id := aws.ToString(fault.SecretId)
		refused[id] = true
		if a := refusal(fault, out); a.final() && slices.Contains(b.ids, id) {
			answers[id] = a
		}
	}
	for _, id := range b.ids {
		if refused[id] {
			continue
		}
		if e := find(id, out.SecretValues); e != nil && !current.Missing(hush.Name(id), e.VersionStages) {
			answers[id] = answer{out: single(e)}
		}
	}
	return answers
}

// find returns the one entry that answers to id, or nil. One secret that was asked
// for by two of its names may be there twice.
func find(id string, entries []types.SecretValueEntry) (found *types.SecretValueEntry) {
	for i := range entries {
		e := &entries[i]
		switch {
		case !answersTo(id, e):
		case found == nil:
			found = e
		case aws.ToString(e.ARN) != aws.ToString(found.ARN), aws.ToString(e.VersionId) != aws.ToString(found.VersionId):
			return nil
		}
	}
	return found
}

// answersTo is stricter than sameSecret: among several entries, one that does not
// say what it is could be any.
func answersTo(id string, e *types.SecretValueEntry) bool {
	gotARN := aws.ToString(e.ARN)
	if strings.HasPrefix(id, "arn:") {
		return sameARN(id, gotARN)
	}
	return cmp.Or(aws.ToString(e.Name), nameIn(gotARN)) == id
}

// An answer is what a batch says about one id: a secret, or why there is none.
type answer struct {
	out   *secretsmanager.GetSecretValueOutput
	class hush.Class
	cause error
}

// refusal reads an item's error as if a single call had it.
func refusal(fault types.APIErrorType, out secretsmanager.BatchGetSecretValueOutput) answer {
	id, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	e := newAPIError(awsfault.NewAnswer(aws.ToString(fault.ErrorCode), 0, id), aws.ToString(fault.Message))
	return answer{class: e.class, cause: e}
}

// final reports whether a single call would say the same.
func (a answer) final() bool { return a.class == hush.ErrNotFound || a.class == hush.ErrDenied }

func single(e *types.SecretValueEntry) *secretsmanager.GetSecretValueOutput {
	return &secretsmanager.GetSecretValueOutput{
		ARN: e.ARN, Name: e.Name, CreatedDate: e.CreatedDate, SecretBinary: e.SecretBinary,
		SecretString: e.SecretString, VersionId: e.VersionId, VersionStages: e.VersionStages,
	}
}

func (a answer) to(ref hush.Ref) hush.Result {
	if a.out == nil {
		return hush.Result{Err: hush.NewError(name, ref, a.class, a.cause)}
	}
	secret, err := read(ref, a.out)
	if err != nil {
		return hush.Result{Err: hush.NewError(name, ref, hush.ErrUnavailable, err)}
	}
	secret, err = ref.Select(secret)
	return hush.Result{Secret: secret, Err: err}
}
