//go:build unix

package main

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOwnFile(t *testing.T) {
	us := os.Geteuid()
	for uid, want := range map[int]bool{us: true, 0: true, us + 4711: false} {
		assert.Equal(t, want, ownFile(owned{sys: &syscall.Stat_t{Uid: uint32(uid)}}), uid)
	}
	assert.False(t, ownFile(owned{}), "a file of nobody knows whom")
}
