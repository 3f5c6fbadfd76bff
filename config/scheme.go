package config

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hush-secrets/hush"
)

// checkSchemes returns the mistakes in the schemes that the program passes.
func checkSchemes(schemes []hush.Scheme) error {
	seen := map[string]bool{}
	for _, s := range schemes {
		switch {
		case s.Name == "" || s.Open == nil:
			return errors.New("the program passes a scheme without Name or without Open; set both")
		case seen[s.Name]:
			return fmt.Errorf("the program passes two schemes with the name %q; remove one", s.Name)
		}
		seen[s.Name] = true
	}
	return nil
}

func schemeNames(schemes []hush.Scheme) []string {
	names := make([]string, len(schemes))
	for i, s := range schemes {
		names[i] = s.Name
	}
	return names
}

// findScheme returns the scheme of a URL. If the scheme is unknown, but is a usual name
// of a store, the error says which scheme to use instead.
func findScheme(name string, schemes []hush.Scheme) (hush.Scheme, error) {
	known := schemeNames(schemes)
	if i := slices.Index(known, name); i >= 0 {
		return schemes[i], nil
	}
	err := unknown("scheme", name, known)
	for _, r := range replacements() {
		if slices.Contains(r.schemes, name) && slices.Contains(known, r.store) {
			err = fmt.Errorf("%w; %s", err, r.advice)
		}
	}
	return hush.Scheme{}, err
}

// A replacement is a store to use in place of schemes that this module does not have.
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
