package main

import "strings"

const sayRegion = "set AWS_REGION, or say the parameter region, as in direct:?region=eu-west-1; a REF that is a whole ARN names its own"

// remedies are for failures of which the class says less than our own words for them:
// what they say, and what can be done. The first that is said counts.
var remedies = []struct{ words, advice string }{
	{"no AWS region is configured", sayRegion},
	{"is no AWS region", sayRegion},
	{"no profile ", "correct AWS_PROFILE or the parameter profile, or write that profile into ~/.aws/config (AWS_CONFIG_FILE)"},
	{"is set without AWS_", "set both of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or none"},
	{fromSource + "the container's endpoint", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI says where the credentials are: where nobody answers there, unset it; in ECS check the task role, and in EKS the Pod Identity agent"},
	{fromSource + "a web identity", "check AWS_ROLE_ARN, the file of AWS_WEB_IDENTITY_TOKEN_FILE, and whether the role's trust policy names who has issued that"},
	{fromSource + "a role to assume", "check the ARN of the role, whether its trust policy names who this is, and the external id"},
	{fromSource + "a credential process", "run the credential_process of the profile by itself, and see what it says"},
	{fromSource + "a login session", "sign in again ('aws sso login')"},
	{"read nothing at the mount", "check that there is such a mount ('vault secrets list'): it is the path in vault://host/MOUNT. If there is, a policy of the token lets it read something below it, or the URL says kv=1 or kv=2"},
	{"say what is mounted at", "say kv=1 or kv=2 in the URL: Vault, or what is before it, does not tell which the mount is"},
	{"is no KV engine", "correct the mount in the URL (vault://host/MOUNT), or read leased secrets by the parameter mounts in its place"},
	{"may not be one of this engine", "correct kv in the URL, or leave it out, by which it is found out"},
}

// remedy returns what can be done about what p says, nothing if the words are none of
// remedies.
func (p *probe) remedy() string {
	for _, r := range remedies {
		if strings.Contains(p.detail(), r.words) {
			return r.advice
		}
	}
	return ""
}
