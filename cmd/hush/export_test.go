package main

// Main runs the command and exits.
func Main() { main() }
