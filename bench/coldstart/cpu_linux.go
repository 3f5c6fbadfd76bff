package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A cpuGroup is a cgroup with a share of a core.
type cpuGroup struct {
	dir    string
	tasks  string // file of the threads of the group; version 1 only
	parent string // file of the threads of the parent group; version 1 only
}

// newCPUGroup creates a cgroup of version 1 or 2. Its processes get quota in each period.
func newCPUGroup(quota, period time.Duration) (*cpuGroup, error) {
	us := func(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }
	name := fmt.Sprintf("hush-coldstart-%d", os.Getpid())
	const v1, v2 = "/sys/fs/cgroup/cpu", "/sys/fs/cgroup"
	if _, err := os.Stat(v1 + "/cpu.cfs_quota_us"); err == nil {
		dir := filepath.Join(v1, name)
		g := &cpuGroup{dir: dir, tasks: filepath.Join(dir, "tasks"), parent: v1 + "/tasks"}
		return g.create(map[string]string{"cpu.cfs_period_us": us(period), "cpu.cfs_quota_us": us(quota)})
	}
	// Version 2 moves only complete processes, so the child starts in the group.
	g := &cpuGroup{dir: filepath.Join(v2, name)}
	return g.create(map[string]string{"cpu.max": us(quota) + " " + us(period)})
}

// create creates the directory of g and writes its settings.
func (g *cpuGroup) create(settings map[string]string) (*cpuGroup, error) {
	if err := os.Mkdir(g.dir, 0o755); err != nil { //nolint:gosec // as the kernel does
		return nil, err
	}
	for file, text := range settings {
		if err := os.WriteFile(filepath.Join(g.dir, file), []byte(text), 0o600); err != nil {
			g.remove()
			return nil, err
		}
	}
	return g, nil
}

func (g *cpuGroup) remove() { _ = os.Remove(g.dir) }

// startOn starts cmd on the last core that this process may use, and returns the time of the
// start. A nil group means a full core. A child inherits the core, and in version 1 the group,
// of the thread that starts it.
func startOn(cmd *exec.Cmd, group *cpuGroup) (start time.Time, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return start, err
	}
	if err := unix.SchedSetaffinity(0, lastCPU(before)); err != nil {
		return start, err
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	switch {
	case group == nil:
	case group.tasks != "":
		thread := []byte(strconv.Itoa(unix.Gettid()))
		if err := os.WriteFile(group.tasks, thread, 0o600); err != nil {
			return start, err
		}
		defer func() { _ = os.WriteFile(group.parent, thread, 0o600) }()
	default:
		dir, err := os.Open(group.dir)
		if err != nil {
			return start, err
		}
		defer dir.Close()
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	}
	start = time.Now()
	return start, cmd.Start()
}

func lastCPU(set unix.CPUSet) *unix.CPUSet {
	var last unix.CPUSet
	for cpu := len(set)*64 - 1; cpu >= 0; cpu-- {
		if set.IsSet(cpu) {
			last.Set(cpu)
			break
		}
	}
	return &last
}
