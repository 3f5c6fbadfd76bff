package main

import (
	"path"
	"strings"
)

// misreads returns why pattern is none of path.Match, or one that means something
// else there than elsewhere; empty if it is neither. Who writes it wants to narrow
// what is served, and is told instead of served too little.
func misreads(pattern string) string {
	_, err := path.Match(pattern, "")
	switch {
	case pattern == "":
		return "it is empty, and no name is"
	case err != nil:
		return "it is no pattern: a [ without its ], a range without its end, or a \\ at the end"
	}
	text, class := []rune(pattern), false
	for i := 0; i < len(text); i++ {
		rest := string(text[i:])
		switch {
		case text[i] == '\\':
			i++ // what it stands for is no more than itself
		case class && text[i] == ']':
			class = false
		case class && text[i] == '/':
			return "a set of it has a slash, which no set matches"
		case class && text[i] == '-' && text[i-1] > rangeEnd(text[i+1:]):
			return "a range of it ends before it begins, and holds nothing"
		case class:
		case strings.HasPrefix(rest, "**"):
			return "** is no more than *, which stops at a slash: write a pattern for each depth"
		case strings.HasPrefix(rest, "[!"):
			return "what is not in a set is [^…]"
		default:
			class = text[i] == '['
		}
	}
	return ""
}

// rangeEnd returns the character that ends a range, which path.Match has found.
func rangeEnd(text []rune) rune {
	if text[0] == '\\' {
		return text[1]
	}
	return text[0]
}
