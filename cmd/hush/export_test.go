package main

// Main is the command. It does not return.
func Main() { main() }
