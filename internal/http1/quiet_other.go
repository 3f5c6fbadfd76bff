//go:build !unix

package http1

// nothingToRead knows no way to look at a socket without waiting here. A connection
// that has died is found dead by the next request, which is sent once more.
func nothingToRead(uintptr) bool { return true }
