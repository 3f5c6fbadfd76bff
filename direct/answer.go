package direct

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/current"
)

// read returns the Secret in out, or an error if it is no answer to ref: a secret
// that is not the one asked for is worse than none.
func read(ref hush.Ref, out *secretsmanager.GetSecretValueOutput) (hush.Secret, error) {
	if out == nil {
		return hush.Secret{}, errors.New("the client returned neither an answer nor an error")
	}
	if err := agrees(ref, out); err != nil {
		return hush.Secret{}, err
	}
	value, err := valueOf(out)
	if err != nil {
		return hush.Secret{}, err
	}
	secret := hush.Secret{
		Value:   value,
		Version: aws.ToString(out.VersionId),
		Stages:  out.VersionStages,
		Created: aws.ToTime(out.CreatedDate),
		Source:  name,
	}
	if e, ok := errors.AsType[*hush.Error](secret.Validate()); ok {
		return hush.Secret{}, e.Err
	}
	return secret, nil
}

func valueOf(out *secretsmanager.GetSecretValueOutput) (hush.Value, error) {
	switch {
	case out.SecretString != nil && out.SecretBinary != nil:
		return hush.Value{}, errors.New("the answer has two values, a string and a binary one")
	case out.SecretString != nil:
		return hush.NewValue([]byte(*out.SecretString)), nil
	case out.SecretBinary != nil:
		return hush.NewValue(out.SecretBinary), nil
	}
	return hush.Value{}, errors.New("the answer has no value")
}

// agrees compares what the answer says of itself with what was asked. What it does
// not say is not held against it.
func agrees(ref hush.Ref, out *secretsmanager.GetSecretValueOutput) error {
	whole := ref.Key()
	version := aws.ToString(out.VersionId)
	switch {
	case !sameSecret(whole.Name, aws.ToString(out.Name), aws.ToString(out.ARN)):
		return errors.New("the answer is another secret")
	case whole.Version != "" && version != "" && version != whole.Version:
		return errors.New("the answer is another version of the secret")
	case whole.Stage != "" && len(out.VersionStages) > 0 && !slices.Contains(out.VersionStages, whole.Stage):
		return errors.New("the answer is a version of another stage")
	case current.Missing(ref, out.VersionStages):
		return errors.New("the response is not the current version, although the request named the stage AWSCURRENT")
	}
	return nil
}

func sameSecret(asked, gotName, gotARN string) bool {
	if strings.HasPrefix(asked, "arn:") {
		return gotARN == "" || sameARN(asked, gotARN)
	}
	got := cmp.Or(gotName, nameIn(gotARN))
	return got == "" || got == asked
}
