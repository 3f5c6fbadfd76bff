// Package smapi has the rules for responses of Secrets Manager that packages direct and
// extension share: whether a response is for the request, and what an error code means.
package smapi

import (
	"slices"
	"strings"

	"github.com/hush-secrets/hush"
)

// A Response has the parts of a response that identify a secret. Empty parts are not
// compared, because some servers omit them.
type Response struct {
	ARN, Name, Version string
	Stages             []string
}

// Mismatch returns the first part that differs from ref: "secret", "version" or
// "stage". It returns "" if no part differs.
func (r Response) Mismatch(ref hush.Ref) string {
	key := ref.Key()
	switch {
	case !r.IsSecret(key.Name):
		return "secret"
	case key.Version != "" && r.Version != "" && r.Version != key.Version:
		return "version"
	case key.Stage != "" && len(r.Stages) > 0 && !slices.Contains(r.Stages, key.Stage):
		return "stage"
	}
	return ""
}

// LacksCurrent reports whether ref names the current version, and the stages of the
// response do not include AWSCURRENT. Some servers return the newest version, such as
// one that is still AWSPENDING, if a request names no stage. The caller then sends one
// more request that names the stage, and uses the second response.
func (r Response) LacksCurrent(ref hush.Ref) bool {
	key := ref.Key()
	return key.Version == "" && key.Stage == "" && len(r.Stages) > 0 && !slices.Contains(r.Stages, hush.CurrentStage)
}

// IsSecret reports whether the ARN or the name of the response belongs to id, which is
// a name or an ARN.
func (r Response) IsSecret(id string) bool {
	isARN := strings.HasPrefix(id, "arn:")
	switch {
	case isARN && r.ARN != "":
		return completes(r.ARN, id)
	case isARN:
		return r.Name == "" || completes(nameIn(id), r.Name)
	case r.Name != "":
		return r.Name == id
	}
	return completes(nameIn(r.ARN), id)
}

// nameIn returns the name at the end of an ARN, with the suffix if there is one. It
// returns "" for other texts.
func nameIn(arn string) string {
	_, name, _ := strings.Cut(arn, ":secret:")
	return name
}

// completes reports whether full is partial, or partial with the suffix that Secrets
// Manager adds to an ARN: a hyphen and six characters. An empty full is unknown, and
// not compared.
func completes(full, partial string) bool {
	suffix, ok := strings.CutPrefix(full, partial)
	return full == "" || ok && (suffix == "" || len(suffix) == len("-AbCdEf") && suffix[0] == '-')
}
