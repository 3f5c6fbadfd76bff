package main

import (
	"errors"
	"regexp"
	"strings"
	"sync"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct"
)

// What is known of something that an answer can show.
const (
	yes     = "yes"
	no      = "no"
	unknown = "unknown"
	none    = "none" // there is nothing to know
)

// The words of our own for what a failure was. A store that gave a status was there.
var (
	anAnswer   = pattern(`\(status \d+\)|is not ready to serve|unknown to Vault`)
	behindIt   = pattern(`: (hush#)?[A-Za-z]+ \(status \d+\)`)
	noOneThere = pattern(`: (dial |nothing listens on |cannot connect to )`)
)

// pattern returns a function that compiles the expression on first use, because other
// subcommands do not need it.
func pattern(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// fromSource is part of what is said of credentials that are to be had elsewhere, and
// were not: the store itself was not asked.
const fromSource = "no AWS credentials to be had from "

// answered reports whether the failure of p is an answer.
func (p *probe) answered() bool {
	_, direct := errors.AsType[*direct.APIError](p.err)
	return direct || anAnswer().MatchString(p.detail())
}

// behind reports whether the failure of p is that of a store behind an agent, which
// has taken our token and says of what type it is.
func (p *probe) behind() bool {
	return p.link.Scheme == "extension" && behindIt().MatchString(p.detail())
}

// notReady reports whether the extension has only just started.
func (p *probe) notReady() bool { return strings.Contains(p.detail(), "is not ready to serve") }

// mountless reports whether Vault has no such mount, or none that this token can read
// anything at, whatever REF is.
func (p *probe) mountless() bool {
	return p.class == hush.ErrDenied && strings.Contains(p.detail(), "can read nothing at the mount")
}

// reached says whether the store was there to answer.
func (p *probe) reached() string {
	switch {
	case p.class == 0, p.link.Scheme == "env", p.answered():
		return yes
	case p.class == hush.ErrAbsent, noOneThere().MatchString(p.detail()) && !strings.Contains(p.detail(), fromSource):
		return no
	}
	return unknown
}

// authenticated says whether the store took our credential.
func (p *probe) authenticated() string {
	switch {
	case p.link.Scheme == "env":
		return none
	case p.class == 0, p.behind():
		return yes
	case p.class == hush.ErrUnauthenticated:
		return no
	case !p.answered(), p.notReady():
		return unknown
	}
	switch p.class {
	case hush.ErrNotFound, hush.ErrDenied, hush.ErrRefused:
		return yes
	}
	return unknown
}
