package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// A sample is one start.
type sample struct {
	total time.Duration // from exec to the secret
	cpu   time.Duration // of the whole process
}

// environment returns the variables of Lambda that the programs read.
func (b *bench) environment(c testCase, more ...string) []string {
	port := b.server.port
	if c.direct {
		port = b.server.closed
	}
	return append([]string{
		"HOME=" + b.home,
		"AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001",
		"AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
		"AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"AWS_SESSION_TOKEN=token",
		"AWS_ENDPOINT_URL_SECRETS_MANAGER=http://127.0.0.1:" + b.server.port,
		"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT=" + port,
		"HUSH_PROVIDERS=" + c.providers,
	}, more...)
}

// start runs the program of c once.
func (b *bench) start(ctx context.Context, c testCase, group *cpuGroup, latency time.Duration) (sample, error) {
	b.server.latency.Store(int64(latency))
	cmd := exec.CommandContext(ctx, b.files[c.program])
	cmd.Env = b.environment(c)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return sample{}, err
	}
	if group != nil {
		time.Sleep(3 * period) // the previous process used the quota of its last period
	}
	start, err := startOn(cmd, group)
	if err != nil {
		return sample{}, err
	}
	line, readErr := bufio.NewReader(stdout).ReadString('\n')
	total := time.Since(start)
	if err := cmd.Wait(); err != nil || readErr != nil || !strings.Contains(line, "hunter2") {
		return sample{}, fmt.Errorf("no secret: %w %s", err, stderr.String())
	}
	state := cmd.ProcessState
	return sample{total, state.UserTime() + state.SystemTime()}, nil
}

// command returns the output of a command.
func command(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}
