package hush

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CurrentStage is the stage of the version that a plain read returns. A Ref with
// this Stage and no Version means the same as one with neither.
const CurrentStage = "AWSCURRENT"

// maxPart bounds each part of a Ref, in bytes; a Secrets Manager id (name or
// ARN) has at most 2,048 characters.
const maxPart = 2048

// A Ref says which secret, which version of it, which part, and how fresh the
// answer must be. Refs are comparable; the zero Ref is invalid.
type Ref struct {
	// Name is the secret's name or ARN in the store.
	Name string
	// Version is the store's own id of one version. Empty: whichever the stage
	// names.
	Version string
	// Stage is a label that the store moves between versions. Empty: AWSCURRENT.
	Stage string
	// Field picks a part of a JSON secret, as Secret.Field does. Empty: all of it.
	Field string

	freshness *freshness
}

// freshness is what an answer must not be: from a cache, unless it differs from
// than. It hangs off the Ref by a pointer so that a plain Ref stays small.
type freshness struct{ than *Secret }

var freshest = &freshness{}

// Name returns a plain Ref of that name. It parses nothing, so it is safe for
// names that come from outside.
func Name(name string) Ref { return Ref{Name: name} }

// ParseRef reads name[?version=…&stage=…][#field]. In each part %XX stands for a
// byte, so that a name can hold ?, # and %; + is a plus. An ARN is a name. What
// does not parse, and what Validate refuses, is ErrInvalidRef.
func ParseRef(s string) (Ref, error) {
	ref, err := parseRef(s)
	if err != nil {
		return Ref{}, NewError("", Ref{}, ErrInvalidRef, fmt.Errorf("%s: %w", quote(s), err))
	}
	if err := ref.Validate(); err != nil {
		return Ref{}, err
	}
	return ref, nil
}

func parseRef(s string) (ref Ref, err error) {
	rest, field, hasField := strings.Cut(s, "#")
	if hasField && field == "" {
		return ref, errors.New("no field after #; write %23 for a # in a name")
	}
	name, query, hasQuery := strings.Cut(rest, "?")
	if hasQuery && query == "" {
		return ref, errors.New("nothing after ?; write %3F for a ? in a name")
	}
	if ref.Name, err = unescape(name); err != nil {
		return ref, err
	}
	if ref.Field, err = unescape(field); err != nil {
		return ref, err
	}
	if !hasQuery {
		return ref, nil
	}
	err = ref.parseQuery(query)
	return ref, err
}

func (r *Ref) parseQuery(query string) error {
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		var part *string
		switch key {
		case "version":
			part = &r.Version
		case "stage":
			part = &r.Stage
		default:
			return fmt.Errorf("unknown key %s; a reference takes version and stage", quote(key))
		}
		switch text, err := unescape(value); {
		case err != nil:
			return err
		case text == "":
			return fmt.Errorf("%s is empty", key)
		case *part != "":
			return fmt.Errorf("%s is given twice", key)
		default:
			*part = text
		}
	}
	return nil
}

// String returns the reference that ParseRef reads back as r, freshness apart.
func (r Ref) String() string {
	var b strings.Builder
	b.WriteString(escape(r.Name, "%?#"))
	mark := "?"
	for _, part := range [...]struct{ key, value string }{{"version=", r.Version}, {"stage=", r.Stage}} {
		if part.value != "" {
			b.WriteString(mark + part.key + escape(part.value, "%#&"))
			mark = "&"
		}
	}
	if r.Field != "" {
		b.WriteString("#" + escape(r.Field, "%"))
	}
	return b.String()
}

// Validate returns ErrInvalidRef for a Ref that no store should see: no name, a
// part over 2,048 bytes, a control character, or text that is not UTF-8.
func (r Ref) Validate() error {
	what, fault := "name", faultOf(r.Name)
	if r.Name == "" {
		fault = "is empty"
	}
	if fault == "" && r.Version != "" {
		what, fault = "version", faultOf(r.Version)
	}
	if fault == "" && r.Stage != "" {
		what, fault = "stage", faultOf(r.Stage)
	}
	if fault == "" && r.Field != "" {
		what, fault = "field", faultOf(r.Field)
	}
	if fault == "" {
		return nil
	}
	return NewError("", r, ErrInvalidRef, fmt.Errorf("the %s %s", what, fault))
}

func faultOf(text string) string {
	if len(text) > maxPart {
		return fmt.Sprintf("has %d bytes, over the limit of %d", len(text), maxPart)
	}
	for i := range len(text) {
		// Plain ASCII, which is nearly every name, needs no second look.
		if c := text[i]; c < ' ' || c >= 0x7f {
			return faultOfUnicode(text)
		}
	}
	return ""
}

func faultOfUnicode(text string) string {
	if !utf8.ValidString(text) {
		return "is not UTF-8"
	}
	if strings.IndexFunc(text, unicode.IsControl) >= 0 {
		return "has a control character"
	}
	return ""
}

// Key returns r without its field and freshness: the key of a cache. Without a
// version, the stage AWSCURRENT is the same as none.
func (r Ref) Key() Ref {
	whole := Ref{Name: r.Name, Version: r.Version, Stage: r.Stage}
	if whole.Version == "" && whole.Stage == CurrentStage {
		whole.Stage = ""
	}
	return whole
}

// Fresh returns r, to be answered from no cache. A provider that cannot promise
// that says ErrUnsupported.
func (r Ref) Fresh() Ref {
	r.freshness = freshest
	return r
}

// NewerThan returns r, to be answered afresh unless a cache holds something
// other than s: what to ask for when s was not accepted.
func (r Ref) NewerThan(s Secret) Ref {
	r.freshness = &freshness{than: &s}
	return r
}

// Freshness tells how fresh the answer must be: (nil, false) for a plain Ref,
// (nil, true) after Fresh, (s, true) after NewerThan(s). A provider without a
// cache needs only the second result.
func (r Ref) Freshness() (than *Secret, fresh bool) {
	if r.freshness == nil {
		return nil, false
	}
	return r.freshness.than, true
}

// Select returns the part of s that r asks for: s itself without a Field, else
// s.Field(r.Field), with an error that names r.
func (r Ref) Select(s Secret) (Secret, error) {
	if r.Field == "" {
		return s, nil
	}
	part, err := s.Field(r.Field)
	if e, ok := errors.AsType[*Error](err); ok {
		return Secret{}, NewError(e.Provider, r, e.Class, e.Err)
	}
	return part, err
}

const hexDigits = "0123456789ABCDEF"

func escape(s, special string) string {
	if !strings.ContainsAny(s, special) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; strings.IndexByte(special, c) >= 0 {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func unescape(s string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errors.New("a % without two hex digits; write %25 for a % itself")
		}
		high, low := unhex(s[i+1]), unhex(s[i+2])
		if high < 0 || low < 0 {
			return "", errors.New("a % without two hex digits; write %25 for a % itself")
		}
		b.WriteByte(byte(high<<4 | low))
		i += 2
	}
	return b.String(), nil
}

func unhex(c byte) int {
	if 'a' <= c && c <= 'f' {
		c -= 'a' - 'A'
	}
	return strings.IndexByte(hexDigits, c)
}
