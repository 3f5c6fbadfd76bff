package doctor

import (
	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/extension"
)

// A rule is advice for a failure of a store.
type rule struct {
	scheme string            // empty means any
	class  hush.Class        // zero means any
	when   func(*probe) bool // nil means always
	advice string
}

// advice returns what the operator can do about the result of p, or "" if the result is
// good enough.
func (e *Examination) advice(p *probe) string {
	foundElsewhere := e.overall.source != "" || e.overall.problem != ""
	if p.class == 0 || p.class == hush.ErrNotFound && (!e.given || foundElsewhere) {
		return ""
	}
	for _, rules := range [][]rule{extensionRules(), directRules(), vaultRules(), envRules(), generalRules()} {
		for _, r := range rules {
			if (r.scheme == "" || r.scheme == p.store.Scheme) && (r.class == 0 || r.class == p.class) && (r.when == nil || r.when(p)) {
				return r.advice
			}
		}
	}
	return ""
}

// Conditions of rules.

func on(platform string) func(*probe) bool {
	return func(p *probe) bool { return p.isOn(platform) }
}

func (p *probe) wasReached() bool { return p.reached() == yes }

func (p *probe) withoutRef() bool { return !p.given }

func (p *probe) reachedInLambda() bool { return p.wasReached() && p.isOn(lambda) }

func (p *probe) notReady() bool { return p.extensionReason(extension.ReasonNotReady) }

func (p *probe) agentsStoreFailed() bool {
	return p.extensionReason(extension.ReasonStoreError) && (isFailure(p.class) || p.class == hush.ErrAbsent || p.class == hush.ErrRefused)
}

func extensionRules() []rule {
	return []rule{
		{"extension", 0, (*probe).agentsStoreFailed, "the agent accepts the token, but its own store fails: run 'hush doctor' with the agent's configuration as the agent's user, or read the log of AWS's agent"},
		{"extension", 0, (*probe).notReady, "nothing if the function has just started: the extension does not serve requests during initialization"},
		{"extension", hush.ErrUnavailable, (*probe).reachedInLambda, "read the extension's log (PARAMETERS_SECRETS_EXTENSION_LOG_LEVEL sets its level)"},
		{"extension", hush.ErrUnavailable, (*probe).wasReached, "the server on this port is not an agent, or it fails: read its log, or correct the parameter endpoint or PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"},
		{"extension", hush.ErrUnavailable, on(lambda), "attach the layer AWS-Parameters-and-Secrets-Lambda-Extension to the function, and check PARAMETERS_SECRETS_EXTENSION_HTTP_PORT; the extension does not serve requests during initialization"},
		{"extension", hush.ErrUnavailable, nil, "start the agent ('hush agent', or AWS's) on this port, or correct the parameter endpoint or PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"},
		{"extension", hush.ErrAbsent, nil, "nothing if you do not use an extension or an agent here; otherwise set AWS_TOKEN, and set PARAMETERS_SECRETS_EXTENSION_HTTP_PORT if the port is not 2773"},
		{"extension", hush.ErrUnauthenticated, on(lambda), "leave AWS_SESSION_TOKEN as Lambda sets it: the extension accepts no other token"},
		{"extension", hush.ErrUnauthenticated, nil, "set AWS_TOKEN to the token of the agent, or to file:///path of the agent's token file"},
		{"extension", hush.ErrThrottled, nil, "allow more concurrent requests: raise PARAMETERS_SECRETS_EXTENSION_MAX_CONNECTIONS of the extension, or --max-conn of the agent"},
		{"extension", hush.ErrRefused, (*probe).withoutRef, "nothing: the extension gives the same response to missing, denied and throttled secrets; run 'hush doctor REF' to learn whether it can read a secret"},
		{"extension", hush.ErrRefused, nil, "the extension gives no reason: check the result of direct, and whether the function's role allows secretsmanager:GetSecretValue for this secret"},
		{"extension", hush.ErrDenied, (*probe).withoutRef, "nothing if the agent's --allow or its policy restricts names: run 'hush doctor REF' to learn whether a secret is allowed"},
		{"extension", hush.ErrDenied, nil, "allow this secret in the agent's --allow and in the policy of the agent's identity"},
	}
}

// withoutDirect begins advice for a machine without AWS credentials.
const withoutDirect = "nothing if you do not use Secrets Manager here; otherwise "

func directRules() []rule {
	return []rule{
		{"direct", hush.ErrAbsent, on(lambda), withoutDirect + "leave AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN as Lambda sets them: they are the credentials of the function's role"},
		{"direct", hush.ErrAbsent, on(ecs), withoutDirect + "give the task a task role (taskRoleArn), and set AWS_REGION"},
		{"direct", hush.ErrAbsent, on(eks), withoutDirect + "give the pod's service account a role (Pod Identity or IRSA), and set AWS_REGION"},
		{"direct", hush.ErrAbsent, on(kubernetes), withoutDirect + "give the pod's service account a role (Pod Identity or IRSA), and set AWS_REGION"},
		{"direct", hush.ErrAbsent, on(ci), withoutDirect + "let the job assume a role by OIDC, and set AWS_REGION"},
		{"direct", hush.ErrAbsent, on(ec2), withoutDirect + "attach an instance profile, and use direct:?instance_metadata=true"},
		{"direct", hush.ErrAbsent, nil, withoutDirect + "log in ('aws sso login'), and set AWS_PROFILE and AWS_REGION, or the parameters profile and region, as in direct:?region=eu-west-1"},
		{"direct", 0, (*probe).noCredentials, "check the source of the credentials that the error names: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI, the role and its trust policy, or the profile in AWS_PROFILE ('aws sso login' renews a session)"},
		{"direct", hush.ErrUnavailable, (*probe).wasReached, "try again later; check proxies, and the endpoint if one is configured: a server responds, but it fails"},
		{"direct", hush.ErrUnavailable, nil, "check the region (AWS_REGION, or direct:?region=eu-west-1), DNS and the route to secretsmanager.REGION.amazonaws.com: a VPC without NAT needs a VPC endpoint whose security group allows port 443"},
		{"direct", hush.ErrUnauthenticated, nil, "renew or correct the credentials ('aws sso login'): check AWS_PROFILE, set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or neither, and check this machine's clock"},
		{"direct", hush.ErrThrottled, nil, "send fewer requests: use a longer cache.ttl or one agent for many processes; the parameter batch makes this worse for a fleet"},
		{"direct", hush.ErrDenied, (*probe).withoutRef, "nothing if a policy restricts names: run 'hush doctor REF' to learn whether a secret is allowed"},
		{"direct", hush.ErrDenied, nil, "allow secretsmanager:GetSecretValue for the secret's ARN, and kms:Decrypt for its key unless AWS manages the key; a secret of another account needs a resource policy, too"},
		{"direct", hush.ErrNotFound, nil, "check the name, the region and the account; for another account or region, use the whole ARN as REF"},
	}
}

func vaultRules() []rule {
	return []rule{
		{"vault", hush.ErrAbsent, nil, "nothing if you do not use Vault here; otherwise set its address, as in vault://host:8200/secret, or set VAULT_ADDR"},
		{"vault", hush.ErrUnavailable, (*probe).wasReached, "run 'vault status' to learn whether Vault is sealed or in standby, and read Vault's log"},
		{"vault", hush.ErrUnavailable, nil, "check the address, the network, and the CA of Vault's certificate (ca_file); 'vault status' tells whether Vault is sealed"},
		{"vault", hush.ErrUnauthenticated, nil, "check the parameter auth and its parameters: the role, and the file or variable of the credential; without auth, check VAULT_TOKEN or run 'vault login'"},
		{"vault", hush.ErrThrottled, nil, "a rate limit quota of Vault is exhausted: send fewer requests (a longer cache.ttl), or raise the quota"},
		{"vault", 0, (*probe).noMount, "check that the mount exists ('vault secrets list'): it is the path in vault://host/MOUNT. If it exists, let a policy of the token read something below it, or set kv=1 or kv=2 in the URL"},
		{"vault", hush.ErrDenied, (*probe).withoutRef, "nothing if a policy restricts names: run 'hush doctor REF' to learn whether a secret is allowed"},
		{"vault", hush.ErrDenied, nil, "let a policy of the token ('vault token lookup' lists them) read the path: MOUNT/data/NAME for KV 2, otherwise MOUNT/NAME"},
		{"vault", hush.ErrRefused, nil, "check the role in the parameters of auth, and the path: Vault does not accept the request"},
		{"vault", hush.ErrNotFound, nil, "check the mount in the URL (vault://host/MOUNT) and the namespace; the name must include neither the mount nor data/"},
	}
}

func envRules() []rule {
	return []rule{
		{"env", hush.ErrNotFound, nil, "set the variable: its name is the prefix and the secret's name in capitals, with _ for every character that is not a letter or digit"},
		{"env", hush.ErrDenied, nil, "let this process read the file that the variable names"},
		{"env", hush.ErrUnavailable, nil, "set either the variable or its _FILE form, which must name an existing regular file"},
		{"env", hush.ErrUnsupported, nil, "nothing: environment variables have no versions and no stages"},
	}
}

func generalRules() []rule {
	return []rule{
		{"", hush.ErrNotFound, nil, "create the secret in this store, or configure its name in this store with the key names"},
		{"", hush.ErrDenied, nil, "allow the identity of this process to read the secret"},
		{"", hush.ErrUnauthenticated, nil, "renew or correct the credential of this store"},
		{"", hush.ErrThrottled, nil, "send fewer requests: use a longer cache.ttl, one client for many programs, or a higher quota"},
		{"", hush.ErrUnavailable, nil, "check that the store runs and that this machine can reach it"},
		{"", hush.ErrRefused, nil, "the store gives no reason: read its log"},
		{"", hush.ErrAbsent, nil, "nothing if you do not use this store here"},
		{"", hush.ErrUnsupported, nil, "remove the part of REF that this store does not support, or remove this store"},
	}
}
