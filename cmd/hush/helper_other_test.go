//go:build !unix

package main_test

func openFiles() []int         { return nil }
func ignoredSignals() []string { return nil }
func waitForSignals() int      { return 0 }
