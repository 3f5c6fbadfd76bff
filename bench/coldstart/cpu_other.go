//go:build !linux

package main

import (
	"errors"
	"os/exec"
	"time"
)

type cpuGroup struct{}

func newCPUGroup(time.Duration, time.Duration) (*cpuGroup, error) {
	return nil, errors.New("requires Linux")
}

func (*cpuGroup) remove() {}

func startOn(cmd *exec.Cmd, _ *cpuGroup) (time.Time, error) { return time.Now(), cmd.Start() }
