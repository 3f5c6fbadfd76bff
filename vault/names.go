package vault

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hush-secrets/hush"
)

// apart are the mounts that hold Vault's own workings and no program's secrets.
var apart = []string{"sys", "auth", "identity", "cubbyhole"}

// checkPath returns an error for a path that could leave its mount, or that the client
// would clean into another path: one with an empty segment, as a leading slash makes,
// or with a segment of dots. The error does not quote the path.
func checkPath(path string) error {
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "":
			return errors.New("it has an empty segment: remove leading, trailing and double slashes")
		case ".", "..":
			return fmt.Errorf("it has the segment %q: write the path without it", segment)
		}
	}
	if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("it has a control character")
	}
	return nil
}

// checkMount returns the mount without the slashes around it, or an error for a mount
// that is not valid or not a store. The error does not quote the mount: it may be a
// secret in the wrong place.
func checkMount(mount string) (string, error) {
	mount = strings.TrimSuffix(strings.TrimPrefix(mount, "/"), "/")
	if err := checkPath(mount); err != nil {
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
	if err := checkPath(ref.Name); err != nil {
		return &failure{hush.ErrNotFound, fmt.Errorf("no secret of Vault has such a name: %w", err)}
	}
	return nil
}
