package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// latency reads one secret from each place, the slowest first.
func latency(ctx context.Context, s *stores) (Section, error) {
	if err := s.startExtension(ctx, time.Minute); err != nil {
		return Section{}, err
	}
	p := s.newLambdaProgram()
	defer p.close()
	first := read(ctx, "first read, SDK", s.direct, 1)
	first.check(first.Took >= firstLatency, "faster than the injected latency")
	warm := read(ctx, "warm read, SDK", s.direct, 5)
	warm.check(warm.Took >= laterLatency, "faster than the injected latency")
	warm.check(warm.Took < first.Took, "not faster than the first read")
	cold := read(ctx, "cold read, extension", p, 1)
	cold.check(cold.Source == "extension", "from %s", cold.Source)
	extension := read(ctx, "warm read, extension", s.extension.client(), 21)
	extension.check(extension.Took < warm.Took, "not faster than Secrets Manager")
	memory := readMany(ctx, "from memory", p, 100_000)
	memory.check(memory.Took < extension.Took, "not faster than the extension")
	return Section{
		Title: "The latency of one secret",
		Notes: []string{
			fmt.Sprintf("The latency of Secrets Manager is injected: %s, then %s.", short(firstLatency), short(laterLatency)),
			"The other latencies are those of this machine.",
		},
		Steps: []Step{first, warm, cold, extension, memory},
	}, nil
}

// outage stops the extension while a program runs.
func outage(ctx context.Context, s *stores) (Section, error) {
	p := s.newLambdaProgram()
	defer p.close()
	before := read(ctx, "before", p, 1)
	before.check(before.Source == "extension", "from %s", before.Source)
	before.Log = p.log.take()
	s.stopExtension()
	if err := clock.Sleep(ctx, programTTL); err != nil {
		return Section{}, err
	}
	after := read(ctx, "after", p, 1)
	after.check(after.Source == "direct", "from %s", after.Source)
	after.Log = p.log.take()
	after.checkLog("extension", "unavailable")
	after.checkLog("direct", "ok")
	return Section{
		Title: "The extension stops, and the program keeps its secret",
		Notes: []string{"The chain is extension, direct, env. The program logs at level info:"},
		Steps: []Step{before, after},
	}, nil
}

// laptop runs the same program outside AWS.
func laptop(ctx context.Context, _ *stores) (Section, error) {
	p, hasExtension := newLaptopProgram()
	defer p.close()
	secret, took, err := get(ctx, p, secretRef)
	step := Step{Name: "outside Lambda", Took: took, Source: secret.Source, Log: p.log.take()}
	step.check(err == nil, "%v", err)
	step.check(secret.Source == "env", "from %s", secret.Source)
	if hasExtension {
		step.checkLog("extension", "absent")
	}
	step.checkLog("direct", "absent")
	step.check(!secret.FromFallback, "marked as a fallback, although no store failed")
	return Section{
		Title: "The same program outside Lambda",
		Notes: []string{"It has no endpoint, no region and no credentials. It logs at level debug:"},
		Steps: []Step{step},
	}, nil
}

// rotation rotates the secret, and shows when each reader returns the new version.
func rotation(ctx context.Context, s *stores) (Section, error) {
	if err := s.startExtension(ctx, extensionTTL); err != nil {
		return Section{}, err
	}
	p, other := s.newLambdaProgram(), s.newLambdaProgram()
	defer p.close()
	defer other.close()
	before := readVersion(ctx, "before, all of them", other, secretRef, time.Time{}, versionOld)
	same := readVersion(ctx, "", p, secretRef, time.Time{}, versionOld)
	before.check(same.OK, "%s", same.Problem)
	s.secretsManager.Rotate(secretRef.Name, []byte("new value"))()
	at := time.Now()

	steps := []Step{
		before,
		readVersion(ctx, "Secrets Manager", s.direct, secretRef, at, versionNew),
		readVersion(ctx, "the extension, still", s.extension.client(), secretRef, at, versionOld),
		readVersion(ctx, "a fresh read", p, secretRef.Fresh(), at, versionNew),
		readVersion(ctx, "a plain read after it", p, secretRef, at, versionNew),
	}
	if err := clock.Sleep(ctx, programTTL+50*time.Millisecond); err != nil {
		return Section{}, err
	}
	stale := readVersion(ctx, "the extension, still", s.extension.client(), secretRef, at, versionOld)
	kept := readVersion(ctx, "a plain read, TTL over", p, secretRef, at, versionNew)
	kept.check(stale.OK, "the extension no longer had the old version, so that this step shows nothing")
	steps = append(steps, kept,
		awaitVersion(ctx, "the extension sees it", s.extension.client(), at, extensionTTL),
		awaitVersion(ctx, "another program sees it", other, at, extensionTTL+programTTL))
	return Section{
		Title: "The secret is rotated without a notification",
		Notes: []string{
			fmt.Sprintf("The TTL of the extension is %s (AWS's: 5m), that of a program %s.", short(extensionTTL), short(programTTL)),
			"A fresh read bypasses both. The extension's older copy does not replace it.",
		},
		Steps: steps,
	}, nil
}

// The versions of the secret. Its value begins with one of them.
const (
	versionOld = "old"
	versionNew = "new"
)

func version(secret hush.Secret) string {
	text, _, _ := strings.Cut(secret.Value.Reveal(), " ")
	return text
}

// get reads a secret and measures how long that takes.
func get(ctx context.Context, p hush.Provider, ref hush.Ref) (hush.Secret, time.Duration, error) {
	start := time.Now()
	secret, err := p.Get(ctx, ref)
	return secret, time.Since(start), err
}

// read measures the median of several reads.
func read(ctx context.Context, name string, p hush.Provider, times int) Step {
	step := Step{Name: name}
	var durations []time.Duration
	for range times {
		secret, took, err := get(ctx, p, secretRef)
		step.check(err == nil, "%v", err)
		step.check(version(secret) == versionOld, "unexpected value")
		durations, step.Source = append(durations, took), secret.Source
	}
	slices.Sort(durations)
	step.Took = durations[times/2]
	return step
}

// readMany measures the mean of many reads. Reading the clock for each of them would take
// as long as a read from memory.
func readMany(ctx context.Context, name string, p hush.Provider, times int) Step {
	step := read(ctx, name, p, 1)
	start := time.Now()
	for range times {
		if _, err := p.Get(ctx, secretRef); err != nil {
			step.check(false, "%v", err)
		}
	}
	step.Took = time.Since(start) / time.Duration(times)
	return step
}

// readVersion reads a secret once and checks its version. rotated is the time of the
// rotation, or zero.
func readVersion(ctx context.Context, name string, p hush.Provider, ref hush.Ref, rotated time.Time, want string) Step {
	secret, took, err := get(ctx, p, ref)
	step := Step{Name: name, Took: took, Source: secret.Source, Version: version(secret)}
	if !rotated.IsZero() {
		step.After = time.Since(rotated)
	}
	step.check(err == nil, "%v", err)
	step.check(step.Version == want, "returned the %s version", step.Version)
	return step
}

// awaitVersion reads until the new version is there. It waits longer than limit, because
// the machine may be busy.
func awaitVersion(ctx context.Context, name string, p hush.Provider, rotated time.Time, limit time.Duration) Step {
	for {
		step := readVersion(ctx, name, p, secretRef, rotated, versionNew)
		if step.OK || time.Since(rotated) > limit+1500*time.Millisecond {
			return step
		}
		if err := clock.Sleep(ctx, 10*time.Millisecond); err != nil {
			step.check(false, "%v", err)
			return step
		}
	}
}

// checkLog checks that a log line has the provider and the outcome.
func (s *Step) checkLog(provider, outcome string) {
	found := slices.ContainsFunc(s.Log, func(line string) bool {
		return strings.Contains(line, `"provider":"`+provider+`"`) && strings.Contains(line, `"outcome":"`+outcome+`"`)
	})
	s.check(found, "no log line with the outcome %s of %s", outcome, provider)
}
