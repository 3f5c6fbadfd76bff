package cachettl

import (
	"container/list"

	"github.com/puzpuzpuz/xsync/v4"

	"github.com/hush-secrets/hush"
)

// A table finds entries without a lock and bounds their number. Cache.mu guards
// every change.
//
// An xsync.Map finds an entry with fewer memory accesses than a sync.Map, which is a
// tree and hashes its keys as interfaces.
type table struct {
	current   *xsync.Map[string, *entry]     // by name: entries for the current version
	versioned *xsync.Map[versionKey, *entry] // entries for a version or a stage
	ring      list.List                      // of *entry, in order of insertion
	hand      *list.Element                  // the next candidate for eviction; nil is the front
	limit     int                            // maximum number of entries
	inFlight  int                            // fetches, whose entries are not counted

	// forgotten has the forgotten keys that have no entry, with the number of their
	// fetches that must be fresh. It has a limit of its own, so that Forget of
	// unknown keys evicts nothing.
	forgotten map[hush.Ref]int
}

// A versionKey is the key of an entry that is not for the current version. Most
// reads are for the current version, and hashing one string costs less than
// hashing three.
type versionKey struct{ name, version, stage string }

func newTable(limit int) table {
	return table{
		current:   xsync.NewMap[string, *entry](),
		versioned: xsync.NewMap[versionKey, *entry](),
		limit:     limit,
		forgotten: map[hush.Ref]int{},
	}
}

// find returns the entry for ref's key, or nil.
func (t *table) find(ref *hush.Ref) *entry {
	if isCurrent(ref) {
		e, _ := t.current.Load(ref.Name)
		return e
	}
	e, _ := t.versioned.Load(versionKeyOf(ref))
	return e
}

func (t *table) insert(e *entry) {
	if isCurrent(&e.ref) {
		t.current.Store(e.ref.Name, e)
	} else {
		t.versioned.Store(versionKeyOf(&e.ref), e)
	}
}

func (t *table) delete(e *entry) {
	if isCurrent(&e.ref) {
		t.current.Delete(e.ref.Name)
	} else {
		t.versioned.Delete(versionKeyOf(&e.ref))
	}
}

func isCurrent(ref *hush.Ref) bool {
	return ref.Version == "" && (ref.Stage == "" || ref.Stage == hush.CurrentStage)
}

func versionKeyOf(ref *hush.Ref) versionKey { return versionKey{ref.Name, ref.Version, ref.Stage} }

// findOrAdd returns the entry for key, and adds it if there is none. It evicts
// nothing, because the store may not have the secret.
func (t *table) findOrAdd(key hush.Ref) *entry {
	if e := t.find(&key); e != nil {
		return e
	}
	e := &entry{ref: key, freshLeft: t.forgotten[key]}
	delete(t.forgotten, key)
	t.insert(e)
	if t.hand == nil {
		e.element = t.ring.PushBack(e)
	} else {
		e.element = t.ring.InsertBefore(e, t.hand) // the hand reaches it last
	}
	return e
}

// retain removes e if it is empty. Otherwise it evicts other entries to make room for
// e, and returns their number.
func (t *table) retain(e *entry) (evicted uint64) {
	if e.isEmpty() {
		t.remove(e)
		return 0
	}
	for t.ring.Len() > t.limit+t.inFlight && t.evict(e) {
		evicted++
	}
	return evicted
}

// rememberForgotten keeps the number of fetches for key that must be fresh.
func (t *table) rememberForgotten(key hush.Ref, freshLeft int) {
	for other := range t.forgotten {
		if len(t.forgotten) < t.limit {
			break
		}
		delete(t.forgotten, other)
	}
	t.forgotten[key] = freshLeft
}

// evict removes an entry other than kept, and reports whether it did. It takes the
// first entry from the hand on, in order of insertion, that has no running fetch and
// was not read since the hand passed it.
func (t *table) evict(kept *entry) bool {
	for range 2 * t.ring.Len() {
		if t.hand == nil {
			t.hand = t.ring.Front()
		}
		e := t.hand.Value.(*entry)
		if e != kept && e.fetch == nil && !e.used.Swap(false) {
			t.remove(e)
			return true
		}
		t.hand = t.hand.Next()
	}
	return false
}

// remove removes e. A Handle that points to e finds it empty.
func (t *table) remove(e *entry) {
	if e.element == nil {
		return
	}
	e.record.Store(nil)
	if t.hand == e.element {
		t.hand = t.hand.Next()
	}
	t.ring.Remove(e.element)
	e.element = nil
	if e.freshLeft > 0 {
		t.rememberForgotten(e.ref, e.freshLeft)
	}
	t.delete(e)
}

// entries returns all entries in order of insertion.
func (t *table) entries() []*entry {
	all := make([]*entry, 0, t.ring.Len())
	for element := t.ring.Front(); element != nil; element = element.Next() {
		all = append(all, element.Value.(*entry))
	}
	return all
}

func (t *table) clear() {
	for _, e := range t.entries() {
		t.remove(e)
	}
	clear(t.forgotten)
}
