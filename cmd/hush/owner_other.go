//go:build !unix

package main

import "io/fs"

// ownFile cannot ask who a file belongs to.
func ownFile(fs.FileInfo) bool { return true }
