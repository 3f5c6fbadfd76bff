package vault

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault/internal/call"
	"github.com/hush-secrets/hush/vault/internal/route"
)

// reservedMounts are the mounts that Vault uses for itself. They have no secrets of
// programs.
var reservedMounts = []string{"sys", "auth", "identity", "cubbyhole"}

func isReserved(segment string) bool {
	return slices.ContainsFunc(reservedMounts, func(s string) bool { return strings.EqualFold(s, strings.TrimSpace(segment)) })
}

// checkMount returns mount without the slashes around it. The error does not quote
// mount, because it may be a secret in the wrong place.
func checkMount(mount string) (string, error) {
	mount = strings.TrimSuffix(strings.TrimPrefix(mount, "/"), "/")
	if err := route.CheckPath(mount); err != nil {
		return "", fmt.Errorf("invalid mount: %w", err)
	}
	for segment := range strings.SplitSeq(mount, "/") { // the first may be a namespace
		if isReserved(segment) {
			return "", fmt.Errorf("invalid mount: %s/ is reserved for Vault itself", strings.ToLower(segment))
		}
	}
	return mount, nil
}

// checkName returns ErrNotFound for a name that no secret can have.
func checkName(name string) error {
	if err := route.CheckPath(name); err != nil {
		return call.Failf(hush.ErrNotFound, "invalid name of a secret: %w", err)
	}
	return nil
}
