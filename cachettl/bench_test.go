package cachettl_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
)

// BenchmarkHit measures a hit beside its floor: a sync.Map lookup by the same
// Ref and one reading of the clock.
func BenchmarkHit(b *testing.B) {
	ctx := context.Background()
	refs := map[string]hush.Ref{"whole": db, "field": {Name: "db", Field: "password"}}
	c := cachettl.New(hush.Static(map[string]string{"db": `{"password":"p"}`}), time.Hour, nil)
	b.Run("floor", func(b *testing.B) {
		var m sync.Map
		m.Store(db, &hush.Secret{})
		var end time.Time
		b.ReportAllocs()
		for b.Loop() {
			secret, _ := m.Load(db)
			if now := time.Now(); now.Before(end) || secret == nil {
				b.Fatal("no hit")
			}
		}
	})
	for name, ref := range refs {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Get(ctx, ref); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := c.Get(ctx, db); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
