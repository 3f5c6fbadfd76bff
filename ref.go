package hush

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CurrentStage is the stage of the current version. It is the default for a Ref
// without a Version and a Stage.
const CurrentStage = "AWSCURRENT"

// maxPart limits each part of a Ref, in bytes. A secret ID of Secrets Manager, which
// is a name or an ARN, has at most 2,048 characters.
const maxPart = 2048

// A Ref names a secret, its version and a part of it, and may require a fresh read.
// Refs are comparable. The zero Ref is invalid.
type Ref struct {
	// Name is the secret's name or ARN in the store.
	Name string
	// Version is the ID of a version in the store. Empty means the version with
	// the Stage.
	Version string
	// Stage is a label that the store moves between versions. Empty means
	// AWSCURRENT.
	Stage string
	// Field selects a part of a JSON secret; see Secret.Field. Empty means the
	// whole secret.
	Field string

	freshness *freshness
}

// freshness excludes secrets from caches, except a cached secret that differs from
// than. The Ref has a pointer to it, so that a plain Ref stays small.
type freshness struct{ than *Secret }

var alwaysFresh = &freshness{}

// Name returns a Ref with this Name. It does not parse name, so that a name from an
// untrusted source selects no version, stage or field.
func Name(name string) Ref { return Ref{Name: name} }

// ParseRef parses a reference of the form name[?version=…&stage=…][#field]. The name
// may be an ARN. In each part, %XX stands for a byte: write ?, # and % in a name as
// %3F, %23 and %25. ParseRef fails with ErrInvalidRef if s is malformed or if
// Validate fails.
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

// String returns the reference that ParseRef parses as r. It has no freshness.
func (r Ref) String() string {
	var b strings.Builder
	b.WriteString(escape(r.Name, "%?#"))
	separator := "?"
	for _, part := range [...]struct{ key, value string }{{"version=", r.Version}, {"stage=", r.Stage}} {
		if part.value != "" {
			b.WriteString(separator + part.key + escape(part.value, "%#&"))
			separator = "&"
		}
	}
	if r.Field != "" {
		b.WriteString("#" + escape(r.Field, "%"))
	}
	return b.String()
}

// Validate returns ErrInvalidRef if r has no name, or if a part of r exceeds 2,048
// bytes, contains a control character or is not valid UTF-8.
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
		return fmt.Sprintf("has %d bytes and exceeds the limit of %d", len(text), maxPart)
	}
	for i := range len(text) {
		// Nearly every name is plain ASCII and needs only this check.
		if c := text[i]; c < ' ' || c >= 0x7f {
			return faultOfUnicode(text)
		}
	}
	return ""
}

func faultOfUnicode(text string) string {
	if !utf8.ValidString(text) {
		return "is not valid UTF-8"
	}
	if strings.IndexFunc(text, unicode.IsControl) >= 0 {
		return "contains a control character"
	}
	return ""
}

// Key returns the key of r in a cache: r without its Field and its freshness. If r has
// no Version, Key also removes the Stage AWSCURRENT, because it is the default.
func (r Ref) Key() Ref {
	key := Ref{Name: r.Name, Version: r.Version, Stage: r.Stage}
	if key.Version == "" && key.Stage == CurrentStage {
		key.Stage = ""
	}
	return key
}

// Fresh returns r for a read from the store itself. No cache may serve the result. A
// Provider that cannot avoid a cache fails with ErrUnsupported.
func (r Ref) Fresh() Ref {
	r.freshness = alwaysFresh
	return r
}

// NewerThan returns r for a read after s was rejected. A cache may serve its secret
// only if the secret differs from s; otherwise the read is fresh.
//
// Secrets differ if their Versions differ. If one of them has no Version, they
// differ if their Values differ.
func (r Ref) NewerThan(s Secret) Ref {
	r.freshness = &freshness{than: &s}
	return r
}

// WithField returns r with another Field. Decorators use it to read the whole secret
// and select the Field themselves.
//
// An assignment to Field would be wrong after NewerThan(s) if s has no Version,
// because caches would compare the value of one field with the value of another. In
// this case WithField returns a Fresh Ref.
func (r Ref) WithField(field string) Ref {
	if than, _ := r.Freshness(); than != nil && than.Version == "" && field != r.Field {
		r = r.Fresh()
	}
	r.Field = field
	return r
}

// Freshness returns the freshness that r requires: (nil, false) for a plain Ref, (nil,
// true) after Fresh, and (s, true) after NewerThan(s). A Provider without a cache
// can ignore than.
func (r Ref) Freshness() (than *Secret, fresh bool) {
	if r.freshness == nil {
		return nil, false
	}
	return r.freshness.than, true
}

// Select returns s if r has no Field, or else s.Field(r.Field). Its error names r.
func (r Ref) Select(s Secret) (Secret, error) {
	if r.Field == "" {
		return s, nil // without a document, which would be allocated
	}
	return r.selectFrom(s, new(document))
}

// selectFrom is Select. d is the document of s.
func (r Ref) selectFrom(s Secret, d *document) (Secret, error) {
	if r.Field == "" {
		return s, nil
	}
	part, err := s.field(r.Field, d)
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
