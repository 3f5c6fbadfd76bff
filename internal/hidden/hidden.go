// Package hidden keeps values from code that prints by reflection: fmt, loggers, encoders,
// and the diffs of test libraries, which also print unexported fields. Package hush hides
// the text of a Value in the same way.
package hidden

// Of has a value of type T in a closure, in which reflection sees only a code pointer. Use
// it for values of other packages that contain a secret, a token, or a connection with
// buffers. The zero Of has the zero T.
type Of[T any] struct{ get func() T }

// New returns an Of with v.
func New[T any](v T) Of[T] { return Of[T]{get: func() T { return v }} }

// Get returns the value.
func (o Of[T]) Get() (v T) {
	if o.get == nil {
		return v
	}
	return o.get()
}
