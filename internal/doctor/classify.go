package doctor

import (
	"errors"
	"regexp"
	"strings"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct"
)

// Whether a store was reached or accepted the credential.
const (
	yes           = "yes"
	no            = "no"
	unknown       = "unknown"
	notApplicable = "none"
)

var (
	respondedText = regexp.MustCompile(`\(status \d+\)|is not ready to serve|unknown to Vault`)
	behindText    = regexp.MustCompile(`: (hush#)?[A-Za-z]+ \(status \d+\)`)
	noServerText  = regexp.MustCompile(`: (dial |nothing listens on |cannot connect to )`)
)

// fromSource is part of what is said of credentials that are to be had elsewhere, and
// were not: the store itself was not asked.
const fromSource = "no AWS credentials to be had from "

// responded reports whether the failure is a response of the store.
func (p *probe) responded() bool {
	_, direct := errors.AsType[*direct.APIError](p.err)
	return direct || respondedText.MatchString(p.detail())
}

// behindAgent reports whether the agent accepted the token and reports a failure of
// its own store.
func (p *probe) behindAgent() bool {
	return p.store.Scheme == "extension" && behindText.MatchString(p.detail())
}

// notReady reports whether the extension has not finished starting.
func (p *probe) notReady() bool { return strings.Contains(p.detail(), "is not ready to serve") }

// noCredentials reports whether no AWS credentials were found, so that no request was sent
// to the store.
func (p *probe) noCredentials() bool { return strings.Contains(p.detail(), fromSource) }

// noMount reports whether Vault has no such mount, or none in which the token can read
// anything.
func (p *probe) noMount() bool {
	return p.class == hush.ErrDenied && strings.Contains(p.detail(), "can read nothing at the mount")
}

func (p *probe) reached() string {
	switch {
	case p.class == 0, p.store.Scheme == "env", p.responded():
		return yes
	case p.class == hush.ErrAbsent, noServerText.MatchString(p.detail()) && !p.noCredentials():
		return no
	}
	return unknown
}

func (p *probe) authenticated() string {
	switch {
	case p.store.Scheme == "env":
		return notApplicable
	case p.class == 0, p.behindAgent():
		return yes
	case p.class == hush.ErrUnauthenticated:
		return no
	case !p.responded(), p.notReady():
		return unknown
	case healthy(p.class):
		return yes
	}
	return unknown
}
