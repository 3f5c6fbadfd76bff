package extension

import (
	"context"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/parallel"
)

// getsAtOnce is how many connections the Lambda extension opens to AWS: further
// calls would wait for it with their time limits running.
const getsAtOnce = 3

var _ hush.BatchProvider = (*Provider)(nil)

// GetBatch makes one Get for each of refs, three at a time, each with its own time
// limit.
func (p *Provider) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	results := make([]hush.Result, len(refs))
	parallel.Each(len(refs), getsAtOnce, func(i int) {
		results[i].Secret, results[i].Err = p.Get(ctx, refs[i])
	})
	return results
}
