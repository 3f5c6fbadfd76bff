package vault

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/internal/call"
	"github.com/hush-secrets/hush/vault/internal/route"
)

// apart are the mounts that hold Vault's own workings and no program's secrets.
var apart = []string{"sys", "auth", "identity", "cubbyhole"}

// checkMount returns the mount without the slashes around it, or an error for a mount
// that is not valid or not a store. The error does not quote the mount: it may be a
// secret in the wrong place.
func checkMount(mount string) (string, error) {
	mount = strings.TrimSuffix(strings.TrimPrefix(mount, "/"), "/")
	if err := route.CheckPath(mount); err != nil {
		return "", fmt.Errorf("the mount is not valid: %w", err)
	}
	for segment := range strings.SplitSeq(mount, "/") { // the first may be a namespace
		if isApart(segment) {
			return "", fmt.Errorf("the mount is not a store: %s/ holds Vault's own workings", strings.ToLower(segment))
		}
	}
	return mount, nil
}

func isApart(segment string) bool {
	return slices.ContainsFunc(apart, func(s string) bool { return strings.EqualFold(s, strings.TrimSpace(segment)) })
}

// checkName returns why no secret can be called ref.Name, as ErrNotFound: the store
// has none of that name, and is not asked.
func checkName(ref hush.Ref) error {
	if err := route.CheckPath(ref.Name); err != nil {
		return call.Fail(hush.ErrNotFound, fmt.Errorf("no secret of Vault has such a name: %w", err))
	}
	return nil
}
