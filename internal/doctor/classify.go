package doctor

import (
	"errors"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/extension"
	"github.com/hush-secrets/hush/internal/awsfault"
	"github.com/hush-secrets/hush/internal/netfault"
	"github.com/hush-secrets/hush/vault"
)

// Whether a store was reached or accepted the credential.
const (
	yes           = "yes"
	no            = "no"
	unknown       = "unknown"
	notApplicable = "none"
)

// responded reports whether the failure is a response of the store.
func (p *probe) responded() bool {
	if e, ok := errors.AsType[*extension.APIError](p.err); ok {
		return e.Reason > extension.ReasonConnectionLost
	}
	_, ofDirect := errors.AsType[*direct.APIError](p.err)
	_, ofVault := errors.AsType[*vault.APIError](p.err)
	return ofDirect || ofVault
}

// extensionReason reports whether the failure is one of the extension or the agent, for
// that reason.
func (p *probe) extensionReason(reason extension.Reason) bool {
	e, ok := errors.AsType[*extension.APIError](p.err)
	return ok && e.Reason == reason
}

// noCredentials reports whether a source of AWS credentials failed, so that no request
// was sent to Secrets Manager.
func (p *probe) noCredentials() bool {
	_, ok := errors.AsType[*awsfault.CredentialsError](p.err)
	return ok
}

// noMount reports whether Vault has no such mount, or lets the token see nothing in it.
func (p *probe) noMount() bool {
	e, ok := errors.AsType[*vault.APIError](p.err)
	return ok && e.Mount != ""
}

// notConnected reports whether no server accepted a connection.
func (p *probe) notConnected() bool {
	_, ok := errors.AsType[*netfault.DialError](p.err)
	return ok && !p.noCredentials() || p.extensionReason(extension.ReasonNotConnected)
}

func (p *probe) reached() string {
	switch {
	case p.class == 0, p.store.Scheme == "env", p.responded():
		return yes
	case p.class == hush.ErrAbsent, p.notConnected():
		return no
	}
	return unknown
}

func (p *probe) authenticated() string {
	switch {
	case p.store.Scheme == "env":
		return notApplicable
	case p.class == 0, p.extensionReason(extension.ReasonStoreError):
		return yes
	case p.class == hush.ErrUnauthenticated:
		return no
	case !p.responded(), p.extensionReason(extension.ReasonNotReady):
		return unknown
	case healthy(p.class):
		return yes
	}
	return unknown
}
