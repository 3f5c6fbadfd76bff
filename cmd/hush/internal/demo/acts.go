package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hush-secrets/hush"
)

// distances measures one secret from ever nearer.
func distances(ctx context.Context, s *stage) (Act, error) {
	if err := s.startExtension(ctx, time.Minute); err != nil {
		return Act{}, err
	}
	p := s.inLambda()
	defer closeProgram(p)
	first := s.read(ctx, "first read, SDK", s.direct, 1)
	first.check(first.Took >= firstLatency, "faster than the latency that was injected")
	warm := s.read(ctx, "warm read, SDK", s.direct, 5)
	warm.check(warm.Took >= laterLatency, "faster than the latency that was injected")
	warm.check(warm.Took < first.Took, "a warm read is no faster than the first")
	cold := s.read(ctx, "cold read, extension", p, 1)
	cold.check(cold.Source == "extension", "answered by %s", cold.Source)
	near := s.read(ctx, "warm read, extension", s.extension.client(), 21)
	near.check(near.Took < warm.Took, "no faster than Secrets Manager")
	memory := s.read(ctx, "from memory", p, 100_000)
	memory.check(memory.Took < near.Took, "no faster than the extension")
	return Act{
		Title: "One secret, from ever nearer",
		Notes: []string{fmt.Sprintf("Secrets Manager's latency is injected: %s for the first call, %s after it.",
			short(firstLatency), short(laterLatency)), "The rest is this machine's own."},
		Steps: []Step{first, warm, cold, near, memory},
	}, nil
}

// outage stops the extension under a program that runs.
func outage(ctx context.Context, s *stage) (Act, error) {
	p := s.inLambda()
	defer closeProgram(p)
	before := s.read(ctx, "before", p, 1)
	before.check(before.Source == "extension", "answered by %s", before.Source)
	before.Log = p.log.take()
	s.stopExtension()
	if err := sleep(ctx, programTTL); err != nil {
		return Act{}, err
	}
	after := s.read(ctx, "after its end", p, 1)
	after.Log = p.log.take()
	after.check(after.Source == "direct", "answered by %s", after.Source)
	after.check(logged(after.Log, "extension", "unavailable"), "no log line says that the extension failed")
	after.check(logged(after.Log, "direct", "ok"), "no log line says that direct answered")
	return Act{
		Title: "The extension stops; the program does not notice",
		Notes: []string{"Its chain is extension, direct, env. What it logs, at level info:"},
		Steps: []Step{before, after},
	}, nil
}

// laptop runs the same program where nothing of AWS is.
func laptop(ctx context.Context, _ *stage) (Act, error) {
	p, linked := onLaptop()
	defer closeProgram(p)
	secret, took, err := timed(ctx, p, secretRef)
	step := Step{Name: "outside Lambda", Took: took, Source: secret.Source, Log: p.log.take()}
	step.check(err == nil, "%v", err)
	step.check(secret.Source == "env", "answered by %s", secret.Source)
	step.check(!linked || logged(step.Log, "extension", "absent"), "the extension was not absent")
	step.check(logged(step.Log, "direct", "absent"), "direct was not absent")
	step.check(!secret.FromFallback, "marked as a fallback, though no store failed")
	return Act{
		Title: "The same program leaves Lambda",
		Notes: []string{"There is no endpoint, no region and no credential. At level debug:"},
		Steps: []Step{step},
	}, nil
}

// rotation changes the secret and tells nobody.
func rotation(ctx context.Context, s *stage) (Act, error) {
	if err := s.startExtension(ctx, extensionTTL); err != nil {
		return Act{}, err
	}
	asker, other := s.inLambda(), s.inLambda()
	defer closeProgram(asker)
	defer closeProgram(other)
	before := s.readAfter(ctx, "before, all of them", other, secretRef, time.Time{}, versionOld)
	held := s.readAfter(ctx, "", asker, secretRef, time.Time{}, versionOld)
	before.check(held.OK, "%s", held.Fault)
	finish := s.store.Rotate(secretRef.Name, []byte("new value"))
	finish()
	at := time.Now()

	steps := []Step{
		before,
		s.readAfter(ctx, "Secrets Manager", s.direct, secretRef, at, versionNew),
		s.readAfter(ctx, "the extension, still", s.extension.client(), secretRef, at, versionOld),
		s.readAfter(ctx, "a fresh read", asker, secretRef.Fresh(), at, versionNew),
		s.readAfter(ctx, "a plain read after it", asker, secretRef, at, versionNew),
	}
	if err := sleep(ctx, programTTL+50*time.Millisecond); err != nil {
		return Act{}, err
	}
	behind := s.readAfter(ctx, "the extension, still", s.extension.client(), secretRef, at, versionOld)
	kept := s.readAfter(ctx, "a plain read, TTL over", asker, secretRef, at, versionNew)
	kept.check(behind.OK, "the extension's copy was not older, so nothing was shown")
	steps = append(steps, kept,
		s.poll(ctx, "the extension sees it", s.extension.client(), at, extensionTTL),
		s.poll(ctx, "another program sees it", other, at, extensionTTL+programTTL))
	return Act{
		Title: "The secret is rotated, and nobody is told",
		Notes: []string{
			fmt.Sprintf("The extension keeps a secret for %s here (AWS's: 5m), a program for %s.",
				short(extensionTTL), short(programTTL)),
			"A fresh read passes both by, and the extension's older copy does not undo it.",
		},
		Steps: steps,
	}, nil
}

// The versions of the secret, by value.
const (
	versionOld = "old"
	versionNew = "new"
)

func version(secret hush.Secret) string {
	text, _, _ := strings.Cut(secret.Value.Reveal(), " ")
	return text
}

// read measures a read of the current secret: the median of several, or for very
// many the mean, because a clock costs as much as a read from memory.
func (s *stage) read(ctx context.Context, name string, p hush.Provider, times int) Step {
	step := Step{Name: name}
	secret, took, err := timed(ctx, p, secretRef)
	all := []time.Duration{took}
	switch {
	case times > 1000:
		start := time.Now()
		for range times {
			if _, err := p.Get(ctx, secretRef); err != nil {
				step.check(false, "%v", err)
			}
		}
		all = []time.Duration{time.Since(start) / time.Duration(times)}
	default:
		for range times - 1 {
			_, took, err := timed(ctx, p, secretRef)
			step.check(err == nil, "%v", err)
			all = append(all, took)
		}
	}
	slices.Sort(all)
	step.Took, step.Source = all[len(all)/2], secret.Source
	step.check(err == nil, "%v", err)
	step.check(version(secret) == versionOld, "wrong value")
	return step
}

func (s *stage) readAfter(ctx context.Context, name string, p hush.Provider, ref hush.Ref, at time.Time, want string) Step {
	secret, took, err := timed(ctx, p, ref)
	step := Step{Name: name, Took: took, Source: secret.Source, Version: version(secret)}
	if !at.IsZero() {
		step.After = time.Since(at)
	}
	step.check(err == nil, "%v", err)
	step.check(step.Version == want, "got the %s version", step.Version)
	return step
}

// poll reads until the new version is seen, for as long as that may take and a
// good second more: a machine may be busy.
func (s *stage) poll(ctx context.Context, name string, p hush.Provider, at time.Time, bound time.Duration) Step {
	for {
		step := s.readAfter(ctx, name, p, secretRef, at, versionNew)
		if step.OK || time.Since(at) > bound+1500*time.Millisecond {
			return step
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			step.check(false, "%v", err)
			return step
		}
	}
}

func timed(ctx context.Context, p hush.Provider, ref hush.Ref) (hush.Secret, time.Duration, error) {
	start := time.Now()
	secret, err := p.Get(ctx, ref)
	return secret, time.Since(start), err
}

func closeProgram(p *program) { _ = p.Close() }

func logged(lines []string, provider, outcome string) bool {
	return slices.ContainsFunc(lines, func(line string) bool {
		return strings.Contains(line, `"provider":"`+provider+`"`) && strings.Contains(line, `"outcome":"`+outcome+`"`)
	})
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
