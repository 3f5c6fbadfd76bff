// Package hidden keeps values out of everything that prints by reflection: fmt,
// loggers, encoders, and the diffs of test libraries, which walk unexported fields.
// Package hush hides the text of a Value in the same way.
package hidden

// Of holds a value of type T behind a closure, of which reflection sees a code pointer
// and nothing else. It is for values of other packages that hold a secret or a token,
// or a connection whose buffers do. The zero Of holds the zero T.
type Of[T any] struct{ get func() T }

// New returns an Of that holds v.
func New[T any](v T) Of[T] { return Of[T]{get: func() T { return v }} }

// Get returns the value.
func (o Of[T]) Get() (v T) {
	if o.get == nil {
		return v
	}
	return o.get()
}
