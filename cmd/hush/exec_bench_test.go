package main_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

// BenchmarkExec compares hush exec with env, which does the same without secrets.
func BenchmarkExec(b *testing.B) {
	path, err := exec.LookPath("true")
	if err != nil {
		path, err = os.Executable()
	}
	if err != nil {
		b.Fatal(err)
	}
	spawn := func(name string, args ...string) time.Duration {
		cmd := exec.CommandContext(context.Background(), name, args...)
		cmd.Env = withHelper("exit", "DB=secret", "HOME=/", "PATH="+os.Getenv("PATH"), "SYSTEMROOT="+os.Getenv("SYSTEMROOT"))
		start := time.Now()
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	var ours, plain time.Duration
	for b.Loop() {
		plain += spawn("env", "X=secret", path, "0")
		ours += spawn(binary, "exec", "--provider", "env", "--env", "X=db", "--", path, "0")
	}
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "µs/hush-exec")
	b.ReportMetric(float64(plain.Microseconds())/float64(b.N), "µs/env")
	b.ReportMetric(float64(ours)/float64(plain), "x-env")
	b.ReportMetric(0, "ns/op")
}
