package direct

import (
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/smapi"
)

// Limits of Secrets Manager: a name has at most 512 characters, and an ARN ends with
// the name, a hyphen and six random characters.
const (
	maxName   = 512
	arnSuffix = len("-aBcDeF")
)

// regionOf returns the region of an ARN, and "" for a name. It returns an error for a
// name or an ARN that no secret can have.
func regionOf(name string) (string, error) {
	if !strings.HasPrefix(name, "arn:") {
		return "", checkName(name, maxName)
	}
	a, err := arn.Parse(name)
	if err != nil {
		return "", errors.New("invalid ARN: too few parts")
	}
	secret, isSecret := strings.CutPrefix(a.Resource, "secret:")
	switch {
	case !strings.HasPrefix(a.Partition, "aws") || !isLabel(a.Partition):
		return "", errors.New("invalid ARN: unknown partition")
	case a.Service != "secretsmanager" || !isSecret:
		return "", errors.New("invalid ARN: must be the ARN of a secret")
	case !isLabel(a.Region):
		return "", errors.New("invalid ARN: invalid region")
	case len(a.AccountID) != 12 || strings.Trim(a.AccountID, "0123456789") != "":
		return "", errors.New("invalid ARN: the account must have twelve digits")
	}
	return a.Region, checkName(secret, maxName+arnSuffix)
}

// isLabel reports whether s can be a region or a partition. Both become parts of a host
// name.
func isLabel(s string) bool {
	return s != "" && len(s) <= 32 && s[0] != '-' && s[len(s)-1] != '-' &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func checkName(name string, limit int) error {
	switch {
	case name == "":
		return errors.New("invalid ARN: it has no name")
	case len(name) > limit:
		return errors.New("invalid name: exceeds the limit of 512 characters")
	case strings.ContainsFunc(name, isInvalidInName):
		return errors.New("invalid name: must have only letters, digits and /_+=.@!-")
	}
	return nil
}

func isInvalidInName(c rune) bool {
	return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune("/_+=.@!-", c)
}

// decode returns the secret in the response to a request for ref. It returns an error if
// the response is for another secret.
func decode(ref hush.Ref, out *secretsmanager.GetSecretValueOutput) (hush.Secret, error) {
	if out == nil {
		return hush.Secret{}, errors.New("the client returned neither a response nor an error")
	}
	r := smapi.Response{ARN: aws.ToString(out.ARN), Name: aws.ToString(out.Name), Version: aws.ToString(out.VersionId), Stages: out.VersionStages}
	if part := r.Mismatch(ref); part != "" {
		return hush.Secret{}, errors.New("the response is for another " + part)
	}
	if r.LacksCurrent(ref) {
		return hush.Secret{}, errors.New("the response is not the current version, although the request named the stage AWSCURRENT")
	}
	secret := hush.Secret{
		Version: r.Version,
		Stages:  r.Stages,
		Created: aws.ToTime(out.CreatedDate),
		Source:  source,
	}
	switch {
	case out.SecretString != nil && out.SecretBinary != nil:
		return hush.Secret{}, errors.New("the response has both a SecretString and a SecretBinary")
	case out.SecretString != nil:
		secret.Value = hush.NewValue([]byte(*out.SecretString))
	case out.SecretBinary != nil:
		secret.Value = hush.NewValue(out.SecretBinary)
	default:
		return hush.Secret{}, errors.New("the response has neither a SecretString nor a SecretBinary")
	}
	if e, ok := errors.AsType[*hush.Error](secret.Validate()); ok {
		return hush.Secret{}, e.Err
	}
	return secret, nil
}

func lacksCurrent(ref hush.Ref, stages []string) bool {
	return smapi.Response{Stages: stages}.LacksCurrent(ref)
}
