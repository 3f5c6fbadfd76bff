package cachettl

import (
	"container/list"
	"slices"
	"sync"

	"github.com/hush-secrets/hush"
)

// A table finds entries without a lock and bounds their number. It is keyed by
// name alone, with the few versions and stages of a name in a list: hashing four
// strings costs twice what hashing one does. Changes are guarded by Cache.mu.
type table struct {
	names   sync.Map      // name → []*entry, never changed in place
	ring    list.List     // of *entry, in the order in which they came
	hand    *list.Element // where to evict next; nil is the front
	most    int           // how many may be held
	running int           // fetches, whose entries are not counted
	gone    func(*entry)  // told of each that is removed

	// forgotten has keys whose next fetch is a fresh one and that have no entry, as
	// many as there may be secrets: they push out nothing that is held.
	forgotten map[hush.Ref]int
}

// find returns the entry of ref's key, or nil.
func (t *table) find(ref *hush.Ref) *entry {
	found, ok := t.names.Load(ref.Name)
	if !ok {
		return nil
	}
	stage := ref.Stage
	if stage == hush.CurrentStage && ref.Version == "" {
		stage = ""
	}
	for _, e := range found.([]*entry) {
		if e.ref.Version == ref.Version && e.ref.Stage == stage {
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
	found, _ := t.names.Load(whole.Name)
	was, _ := found.([]*entry)
	t.names.Store(whole.Name, append(slices.Clip(was), e))
	if t.hand == nil {
		e.place = t.ring.PushBack(e)
	} else {
		e.place = t.ring.InsertBefore(e, t.hand) // the last that the hand will come to
	}
	return e
}

// keep lets e stay if there is a reason to, and makes room for it. It returns how
// many others had to go.
func (t *table) keep(e *entry) (evicted uint64) {
	if e.idle() {
		t.remove(e)
		return 0
	}
	for t.ring.Len() > t.most+t.running && t.evict(e) {
		evicted++
	}
	return evicted
}

func (t *table) forget(whole hush.Ref, tries int) {
	if t.forgotten == nil {
		t.forgotten = map[hush.Ref]int{}
	}
	for other := range t.forgotten {
		if len(t.forgotten) < t.most {
			break
		}
		delete(t.forgotten, other)
	}
	t.forgotten[whole] = tries
}

// evict removes the next entry, in the order in which they came, that was not
// read since the hand last passed it and whose fetch is not running. It spares
// one, and reports whether it found any.
func (t *table) evict(spared *entry) bool {
	for range 2 * t.ring.Len() {
		if t.hand == nil {
			t.hand = t.ring.Front()
		}
		e := t.hand.Value.(*entry)
		if e != spared && e.fetch == nil && !e.used.Swap(false) {
			t.remove(e)
			return true
		}
		t.hand = t.hand.Next()
	}
	return false
}

// remove takes e out, leaving the others in their order. A handle on e finds it
// empty.
func (t *table) remove(e *entry) {
	if e.place == nil {
		return
	}
	e.held.Store(nil)
	t.gone(e)
	if t.hand == e.place {
		t.hand = t.hand.Next()
	}
	t.ring.Remove(e.place)
	e.place = nil
	if e.freshFirst > 0 {
		t.forget(e.ref, e.freshFirst)
	}
	found, _ := t.names.Load(e.ref.Name)
	rest := slices.DeleteFunc(slices.Clone(found.([]*entry)), func(other *entry) bool { return other == e })
	if len(rest) == 0 {
		t.names.Delete(e.ref.Name)
	} else {
		t.names.Store(e.ref.Name, rest)
	}
}

// entries returns all that are there.
func (t *table) entries() []*entry {
	all := make([]*entry, 0, t.ring.Len())
	for place := t.ring.Front(); place != nil; place = place.Next() {
		all = append(all, place.Value.(*entry))
	}
	return all
}

func (t *table) clear() {
	for _, e := range t.entries() {
		t.remove(e)
	}
	t.forgotten = nil
}
