package direct

import (
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Secrets Manager's own limits: a name has at most 512 characters, and an ARN ends
// in the name, a hyphen and six random characters.
const (
	maxName   = 512
	arnSuffix = len("-aBcDeF")
)

// regionOf returns the region that name demands, which is none unless it is an
// ARN, or an error for a name that no secret can have.
func regionOf(name string) (string, error) {
	if !strings.HasPrefix(name, "arn:") {
		return "", checkName(name, maxName)
	}
	a, err := arn.Parse(name)
	if err != nil {
		return "", errors.New("a malformed ARN: it has too few parts")
	}
	secret, isSecret := strings.CutPrefix(a.Resource, "secret:")
	switch {
	case !strings.HasPrefix(a.Partition, "aws") || !isLabel(a.Partition):
		return "", errors.New("a malformed ARN: its partition is none of AWS's")
	case a.Service != "secretsmanager" || !isSecret:
		return "", errors.New("an ARN of something else than a secret")
	case !isLabel(a.Region):
		return "", errors.New("a malformed ARN: its region is none")
	case len(a.AccountID) != 12 || strings.Trim(a.AccountID, "0123456789") != "":
		return "", errors.New("a malformed ARN: its account is not twelve digits")
	}
	return a.Region, checkName(secret, maxName+arnSuffix)
}

// isLabel reports whether s can be a region or a partition. Either becomes part of
// a host's name, so nothing else may pass.
func isLabel(s string) bool {
	return s != "" && len(s) <= 32 && s[0] != '-' && s[len(s)-1] != '-' &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func checkName(name string, most int) error {
	switch {
	case name == "":
		return errors.New("a malformed ARN: it names no secret")
	case len(name) > most:
		return errors.New("a secret's name has at most 512 characters")
	case strings.IndexFunc(name, foreign) >= 0:
		return errors.New("a secret's name has only letters, digits and /_+=.@!-")
	}
	return nil
}

// foreign reports whether no secret's name has c.
func foreign(c rune) bool {
	return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune("/_+=.@!-", c)
}

// sameARN reports whether the secret with the ARN got is the one asked for, maybe
// by an ARN without the six characters at its end.
func sameARN(asked, got string) bool {
	return got == asked || strings.HasPrefix(got, asked+"-") && len(got) == len(asked)+arnSuffix
}

// nameIn returns the secret's name in a full ARN, or none.
func nameIn(text string) string {
	a, err := arn.Parse(text)
	if err != nil || len(a.Resource) <= len("secret:")+arnSuffix {
		return ""
	}
	return strings.TrimPrefix(a.Resource[:len(a.Resource)-arnSuffix], "secret:")
}
