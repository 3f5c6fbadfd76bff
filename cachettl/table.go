package cachettl

import (
	"slices"
	"sync"

	"github.com/hush-secrets/hush"
)

// A table finds entries without a lock and bounds their number. It is keyed by
// name alone, with the few versions and stages of a name in a list: hashing four
// strings costs twice what hashing one does. Changes are guarded by Cache.mu.
type table struct {
	names sync.Map // name → []*entry, never changed in place
	ring  []*entry
	hand  int
	most  int
	gone  func(*entry) // told of each that is removed

	// forgotten has keys whose next fetch is a fresh one and that have no entry, as
	// many as there may be secrets: they push out nothing that is held.
	forgotten map[hush.Ref]bool
}

// find returns the entry of ref's key, or nil.
func (t *table) find(ref hush.Ref) *entry {
	list, ok := t.names.Load(ref.Name)
	if !ok {
		return nil
	}
	if ref.Version == "" && ref.Stage == hush.CurrentStage {
		ref.Stage = ""
	}
	for _, e := range list.([]*entry) {
		if e.ref.Version == ref.Version && e.ref.Stage == ref.Stage {
			return e
		}
	}
	return nil
}

// add adds an entry for whole. It evicts nothing: a name that the store does not
// have must not push out one that it has.
func (t *table) add(whole hush.Ref) *entry {
	e := &entry{ref: whole, freshFirst: t.forgotten[whole]}
	delete(t.forgotten, whole)
	list, _ := t.names.Load(whole.Name)
	was, _ := list.([]*entry)
	t.names.Store(whole.Name, append(slices.Clip(was), e))
	t.ring = slices.Insert(t.ring, t.hand, e) // the last that the hand will come to
	t.hand++
	return e
}

// keep lets e stay if there is a reason to, and makes room for it. It returns how
// many others had to go.
func (t *table) keep(e *entry) (evicted uint64) {
	if e.idle() {
		t.remove(e)
		if e.freshFirst {
			t.forget(e.ref)
		}
		return 0
	}
	for t.full() && t.evict(e) {
		evicted++
	}
	return evicted
}

func (t *table) forget(whole hush.Ref) {
	if t.forgotten == nil {
		t.forgotten = map[hush.Ref]bool{}
	}
	for other := range t.forgotten {
		if len(t.forgotten) < t.most {
			break
		}
		delete(t.forgotten, other)
	}
	t.forgotten[whole] = true
}

// full reports whether more is held than may be.
func (t *table) full() bool {
	if len(t.ring) <= t.most {
		return false
	}
	held := 0
	for _, e := range t.ring {
		if e.holds() {
			held++
		}
	}
	return held > t.most
}

// evict removes the next entry, in the order in which they came, that was not
// read since the hand last passed it and whose fetch is not running. It spares
// one, and reports whether it found any.
func (t *table) evict(spared *entry) bool {
	for range 2 * len(t.ring) {
		t.hand %= len(t.ring)
		e := t.ring[t.hand]
		if e != spared && e.fetch == nil && !e.used.Swap(false) {
			t.remove(e)
			return true
		}
		t.hand++
	}
	return false
}

// remove takes e out, leaving the others in their order. A handle on e finds it
// empty.
func (t *table) remove(e *entry) {
	i := slices.Index(t.ring, e)
	if i < 0 {
		return
	}
	e.held.Store(nil)
	t.gone(e)
	t.ring = slices.Delete(t.ring, i, i+1)
	if i < t.hand {
		t.hand--
	}
	list, _ := t.names.Load(e.ref.Name)
	rest := slices.DeleteFunc(slices.Clone(list.([]*entry)), func(other *entry) bool { return other == e })
	if len(rest) == 0 {
		t.names.Delete(e.ref.Name)
	} else {
		t.names.Store(e.ref.Name, rest)
	}
}

func (t *table) clear() {
	for _, e := range t.ring {
		e.held.Store(nil)
		t.gone(e)
	}
	t.names.Clear()
	t.ring, t.hand, t.forgotten = nil, 0, nil
}
