//go:build !unix

package http1

const canPeek = false

func nothingToRead(uintptr) bool { return false }
