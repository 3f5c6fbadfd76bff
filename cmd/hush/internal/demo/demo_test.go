package demo

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRunReportsFailure(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", "") // Setenv restores what the demo changes
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "")
	t.Setenv("HUSH_DEMO_DB_PROD", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	require.ErrorIs(t, Run(ctx, &out, false), context.Canceled)
	assert.NotContains(t, out.String(), "Every step has the expected result")
}

func TestCheckKeepsTheFirstProblem(t *testing.T) {
	var s Step
	s.check(true, "fine")
	assert.True(t, s.OK)
	s.check(false, "first %d", 1)
	s.check(false, "second")
	s.check(true, "fine")
	assert.Equal(t, Step{Problem: "first 1"}, s)
}

func TestPrinterPrintsSteps(t *testing.T) {
	var out bytes.Buffer
	p := printer{w: &out}
	p.section(Section{Title: "Title", Steps: []Step{
		{Name: "fast", Took: 123, OK: true}, {Name: "slow", Took: 1500 * time.Millisecond, Problem: "too slow"},
	}})
	assert.Contains(t, out.String(), "✓ fast                      123ns █")
	assert.Contains(t, out.String(), "✗ slow                       1.5s █")
	assert.Contains(t, out.String(), "too slow")
	assert.NotContains(t, out.String(), "\x1b")
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestPrinterKeepsTheWriteError(t *testing.T) {
	p := printer{w: brokenPipe{}}
	p.line("text")
	assert.ErrorContains(t, p.err, "broken pipe")
}

func TestShortHasThreeDigits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 999: "999ns", 1000: "1µs", 12_340: "12.3µs", 999_999: "1ms", 31_151_000: "31.2ms",
		time.Second: "1s", 1001 * time.Millisecond: "1s", 1230 * time.Millisecond: "1.23s", 100 * time.Second: "1m40s",
	} {
		assert.Equal(t, want, short(d))
	}
}

func TestBarsAreLogarithmic(t *testing.T) {
	length := func(d time.Duration) int { return utf8.RuneCountInString(bar(d)) }
	assert.Empty(t, bar(0))
	assert.Less(t, length(100), length(time.Microsecond))
	assert.InDelta(t, length(time.Millisecond)-length(time.Microsecond), length(time.Second)-length(time.Millisecond), 1)
	assert.Equal(t, barWidth, length(time.Hour))
}

func TestFoldFitsAndKeepsTheText(t *testing.T) {
	line := `{"a":"` + string(bytes.Repeat([]byte("x"), 200)) + `","b":"some words, and more of them, so that it is broken here and there"}`
	folded := fold(line)
	var joined string
	for part := range bytes.Lines([]byte(folded)) {
		part = bytes.TrimSuffix(part, []byte("\n"))
		assert.LessOrEqual(t, utf8.RuneCount(part), width)
		joined += string(bytes.TrimPrefix(bytes.TrimPrefix(part, []byte("      ")), []byte(" ")))
	}
	assert.Equal(t, line, joined)
}
