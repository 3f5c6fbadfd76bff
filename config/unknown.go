package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hush-secrets/hush/internal/suggest"
)

const variablePrefix = "HUSH_"

// IgnoredVariables returns the names of the variables in environ that begin with HUSH_
// and that [FromEnviron] ignores, such as HUSH_VERSION, in alphabetical order. They may
// be misspelt, or belong to another program. The variables that Kubernetes sets are not
// among them.
func IgnoredVariables(environ []string) []string {
	var names []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, variablePrefix) && value != "" &&
			!slices.Contains(Variables(), name) && !ofKubernetes().MatchString(name) && meant(name) == "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// unknownVariable returns an error if name, which is not a variable of Variables, was
// likely meant to be one of them.
func unknownVariable(name string) error {
	if known := meant(name); known != "" {
		return fmt.Errorf("unknown variable: did you mean %s?", known)
	}
	return nil
}

// meant returns the variable that name was likely meant to be, or "". The prefix
// HUSH_ does not count, so that HUSH_HOME is not close to HUSH_NAMES. A name without
// its section, such as HUSH_TTL, a section alone, such as HUSH_LOG, and a name that
// continues a variable, such as HUSH_CONFIG_FILE, count as close.
func meant(name string) string {
	word := strings.TrimPrefix(name, variablePrefix)
	known := Variables()
	for i, k := range known {
		known[i] = strings.TrimPrefix(k, variablePrefix)
	}
	if k := suggest.Closest(word, known); k != "" {
		return variablePrefix + k
	}
	upper := strings.ToUpper(word)
	for _, k := range known {
		if strings.HasPrefix(upper, k+"_") || strings.HasPrefix(k, upper+"_") || strings.HasSuffix(k, "_"+upper) {
			return variablePrefix + k
		}
	}
	return ""
}

// unknownScheme returns the error for a scheme that is not one of known, with the
// store to use instead if the scheme is the usual name of one.
func unknownScheme(scheme string, known []string) error {
	err := unknown("scheme", scheme, known)
	for _, r := range replacements() {
		if slices.Contains(r.schemes, scheme) && slices.Contains(known, r.store) {
			return fmt.Errorf("%w: %s", err, r.advice)
		}
	}
	return err
}

// A replacement is a store to use in place of schemes that config does not have.
type replacement struct {
	schemes       []string
	store, advice string
}

func replacements() []replacement {
	return []replacement{
		{
			[]string{"aws", "asm", "awssm", "aws-sm", "secretsmanager", "aws-secretsmanager", "awssecretsmanager"},
			"direct", "use direct, which reads AWS Secrets Manager",
		},
		{
			[]string{"ssm", "awsssm", "aws-ssm", "awsparamstore", "parameterstore", "parameters"},
			"direct", "Parameter Store is not supported; use direct, which reads AWS Secrets Manager",
		},
		{[]string{"lambda", "agent"}, "extension", "use extension, which reads the Lambda extension and the AWS agent"},
		{[]string{"hashivault", "hashicorp", "hcvault", "openbao", "bao"}, "vault", "use vault://HOST/MOUNT, which reads Vault and OpenBao"},
		{
			[]string{"file", "files", "dir", "dotenv"},
			"env", "use env:?files=true, which reads NAME from the file that the variable NAME_FILE names",
		},
		{
			[]string{"gcp", "gsm", "gcpsm", "gcpsecretmanager", "google", "azure", "azurekeyvault", "azkv", "akv", "k8s", "kubernetes"},
			"env", "this store is not supported; mount its secrets as files or variables and use env:?files=true",
		},
	}
}
