package main

import (
	"cmp"

	"github.com/hush-secrets/hush"
)

// advice says what can be done about what p answered; nothing, if all is well.
func (e *examination) advice(p *probe) string {
	elsewhere := e.outcome.by != "" || e.outcome.lacks != ""
	if p.class == hush.ErrNotFound && (!e.given || elsewhere) || p.class == 0 {
		return ""
	}
	return cmp.Or(p.remedy(), e.adviseScheme(p), general[p.class])
}

// adviseScheme says what goes for the scheme of p; nothing, where that is no more than
// for any.
func (e *examination) adviseScheme(p *probe) string {
	byScheme := map[string]func(*probe) string{
		"extension": e.adviseExtension, "direct": e.adviseDirect, "vault": e.adviseVault, "env": e.adviseEnv,
	}
	if advise, ok := byScheme[p.link.Scheme]; ok {
		return advise(p)
	}
	return ""
}

// general is what goes for any store.
var general = map[hush.Class]string{
	hush.ErrNotFound:        "create the secret in this store, or give the name that it has there under names in the configuration",
	hush.ErrDenied:          "let the identity that this runs as read this secret",
	hush.ErrUnauthenticated: "renew or correct the credential of this store",
	hush.ErrThrottled:       "ask less often: a longer cache.ttl, one client for many programs, or a higher quota",
	hush.ErrUnavailable:     "check that the store runs, and that this machine can reach it",
	hush.ErrRefused:         "the store does not say why: ask it in another way, or read its own log",
	hush.ErrAbsent:          "nothing, if this store is not meant to be here",
	hush.ErrUnsupported:     "leave out the part of REF that this store cannot honour, or this store",
}

func (e *examination) adviseExtension(p *probe) string {
	inLambda := e.within("Lambda")
	switch {
	case p.behind() && (isFailure(p.class) || p.class == hush.ErrAbsent || p.class == hush.ErrRefused):
		return "the agent runs and takes the token, and its own store fails: run 'hush doctor' with the agent's configuration, as the user that it runs as; of AWS's agent, look at its log"
	case p.notReady():
		return "nothing, if the function has only just started: the extension does not serve while the function initialises"
	case p.class == hush.ErrUnavailable && p.reached() == yes && inLambda:
		return "the extension is there, and fails: its log (PARAMETERS_SECRETS_EXTENSION_LOG_LEVEL) says more"
	case p.class == hush.ErrUnavailable && p.reached() == yes:
		return "what answers on that port is no agent, or is not well: look at its log, or correct the parameter endpoint or PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"
	case p.class == hush.ErrAbsent:
		return "nothing, if no extension or agent is meant to be here; else set AWS_TOKEN, and PARAMETERS_SECRETS_EXTENSION_HTTP_PORT if its port is not 2773"
	case p.class == hush.ErrUnavailable && inLambda:
		return "attach the layer AWS-Parameters-and-Secrets-Lambda-Extension to the function, and look at PARAMETERS_SECRETS_EXTENSION_HTTP_PORT; it does not serve while the function initialises"
	case p.class == hush.ErrUnavailable:
		return "start the agent ('hush agent', or AWS's) on the port that is asked, or correct the parameter endpoint or PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"
	case p.class == hush.ErrUnauthenticated && inLambda:
		return "leave AWS_SESSION_TOKEN as Lambda sets it: the extension takes no other token"
	case p.class == hush.ErrUnauthenticated:
		return "give AWS_TOKEN the token that the agent was started with, or file:///path of the file that it is in"
	case p.class == hush.ErrThrottled:
		return "too many at once: raise PARAMETERS_SECRETS_EXTENSION_MAX_CONNECTIONS of the extension, or --max-conn of the agent"
	case p.class == hush.ErrRefused && !p.given:
		return "nothing: the extension says the same of what is missing, denied and throttled, so give REF to learn whether it can read that"
	case p.class == hush.ErrRefused:
		return "the extension does not say why: see what direct answers, and whether the function's role allows secretsmanager:GetSecretValue for this secret"
	case p.class == hush.ErrDenied && !p.given:
		return "nothing, if the agent's --allow or its policy names what may be read: give REF to learn whether that is among it"
	case p.class == hush.ErrDenied:
		return "let the agent's --allow, and the policy of the identity that it runs as, include this secret"
	}
	return ""
}

func (e *examination) adviseDirect(p *probe) string {
	switch {
	case p.class == hush.ErrAbsent:
		return e.adviseCredentials()
	case p.class == hush.ErrUnavailable && p.reached() == yes:
		return "Secrets Manager answers, and fails, or what is on the way to it does: ask again later, and look at proxies and at the endpoint, if one is configured"
	case p.class == hush.ErrUnavailable:
		return "check the region, the DNS name and the way to secretsmanager.REGION.amazonaws.com: a VPC without a NAT needs an endpoint for it, whose security group lets port 443 in"
	case p.class == hush.ErrUnauthenticated:
		return "renew the credentials ('aws sso login', or a new session), look at AWS_PROFILE and the AWS_ variables, and at the clock of this machine"
	case p.class == hush.ErrThrottled:
		return "ask less often (a longer cache.ttl, an agent for many processes); parameter batch makes it worse for a fleet"
	case p.class == hush.ErrDenied && !p.given:
		return "nothing, if a policy names the secrets that may be read: give REF to learn whether it is among them"
	case p.class == hush.ErrDenied:
		return "allow secretsmanager:GetSecretValue for the secret's ARN, and kms:Decrypt for its key if that is not AWS's own; of another account, the secret's policy must allow it, too"
	case p.class == hush.ErrNotFound:
		return "check the name, the region and the account; of another account or region, REF is the whole ARN"
	}
	return ""
}

// adviseCredentials says where this machine's credentials of AWS's come from.
func (e *examination) adviseCredentials() string {
	const otherwise = "nothing, if Secrets Manager is not meant to be asked here; else "
	switch {
	case e.within("Lambda"):
		return otherwise + "leave AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN as Lambda sets them: they are the credentials of the function's role"
	case e.within("a container of ECS"):
		return otherwise + "give the task a task role (taskRoleArn), and AWS_REGION"
	case e.within("a pod of EKS"), e.within("a pod of Kubernetes"):
		return otherwise + "give the pod's service account a role (Pod Identity or IRSA), and AWS_REGION"
	case e.within("CI"):
		return otherwise + "let the job assume a role by OIDC before this, and set AWS_REGION"
	case e.within("EC2"):
		return otherwise + "attach an instance profile, and use direct:?instance_metadata=true"
	}
	return otherwise + "sign in ('aws sso login'), and set AWS_PROFILE and AWS_REGION, or the parameters profile and region"
}

func (*examination) adviseVault(p *probe) string {
	switch {
	case p.class == hush.ErrAbsent:
		return "nothing, if Vault is not meant to be asked here; else name its address, as in vault://host:8200/secret, or set VAULT_ADDR"
	case p.class == hush.ErrUnavailable && p.reached() == yes:
		return "Vault answers: 'vault status' says whether it is sealed or stands by, and its log whether it has lost its storage"
	case p.class == hush.ErrUnavailable:
		return "check the address ('vault status' says whether it is sealed), the network, and the authority of its certificate (ca_file)"
	case p.class == hush.ErrUnauthenticated:
		return "check the parameter auth and those that go with it: the role, the file or variable of the credential and whether that has expired; without auth, VAULT_TOKEN or vault login"
	case p.class == hush.ErrThrottled:
		return "a rate limit quota of Vault: ask less often (a longer cache.ttl), or raise it"
	case p.class == hush.ErrDenied && !p.given:
		return "nothing, if a policy names what may be read: give REF to learn whether it is among it"
	case p.class == hush.ErrDenied:
		return "give a policy of the token ('vault token lookup' names them) read on the path: MOUNT/data/NAME for KV 2, MOUNT/NAME else"
	case p.class == hush.ErrRefused:
		return "check the role that auth names, and the path: Vault does not take the request"
	case p.class == hush.ErrNotFound:
		return "check the mount in the URL (vault://host/MOUNT), the namespace, and that the name has neither the mount nor data/ in it"
	}
	return ""
}

func (*examination) adviseEnv(p *probe) string {
	switch p.class {
	case hush.ErrNotFound:
		return "set the variable, whose name is the prefix and the name of the secret in capitals, with _ for what is no letter or digit"
	case hush.ErrDenied:
		return "let this process read the file that the variable names"
	case hush.ErrUnavailable:
		return "set one of the variable and its _FILE form, which names a regular file that is there"
	case hush.ErrUnsupported:
		return "nothing: the environment keeps no versions and no stages"
	}
	return ""
}
