// Package current checks that the response to a read of the current version is the
// current version.
package current

import (
	"slices"

	"github.com/hush-secrets/hush"
)

// Missing reports whether ref names the current version of a secret, and stages,
// those of the response, do not include AWSCURRENT. The caller then sends one more
// request that names the stage, and uses the second response. Such responses come
// from servers that return the newest version if a request names no stage, such as
// one that is still AWSPENDING.
//
// A response without stages is accepted: some servers leave them out.
func Missing(ref hush.Ref, stages []string) bool {
	whole := ref.Key()
	return whole.Version == "" && whole.Stage == "" && len(stages) > 0 && !slices.Contains(stages, hush.CurrentStage)
}
