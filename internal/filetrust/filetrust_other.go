//go:build !unix

// Package filetrust reports whether another user of this machine can change a file.
package filetrust

import "io/fs"

// FileProblem returns "": file modes do not show here which users can write the file.
func FileProblem(fs.FileInfo) string { return "" }

// DirProblem returns "", for the same reason.
func DirProblem(fs.FileInfo) string { return "" }
