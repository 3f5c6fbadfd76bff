package vault

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hush-secrets/hush"
)

// apart are the mounts that hold Vault's own workings and no program's secrets.
var apart = []string{"sys", "auth", "identity", "cubbyhole"}

// checkPath refuses what could leave its mount, or what the client would tidy into
// another path: empty segments, as of a leading slash, and those of dots alone.
func checkPath(path string) error {
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "":
			return fmt.Errorf("%q has an empty segment: a path begins and ends without a slash and has one at a time", path)
		case ".", "..":
			return fmt.Errorf("%q has the segment %q, which is no name", path, segment)
		}
	}
	if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("%q has a control character", path)
	}
	return nil
}

// checkMount refuses a mount that cannot be, and those that are no store. It
// returns the mount without the slashes around it.
func checkMount(mount string) (string, error) {
	mount = strings.TrimSuffix(strings.TrimPrefix(mount, "/"), "/")
	if err := checkPath(mount); err != nil {
		return "", fmt.Errorf("mount %w", err)
	}
	for segment := range strings.SplitSeq(mount, "/") { // the first may be a namespace
		if isApart(segment) {
			return "", fmt.Errorf("mount %q: %s/ holds Vault's own workings and is never read", mount, segment)
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
