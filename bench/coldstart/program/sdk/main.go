// Command sdk reads a secret with the bare AWS SDK and its default configuration.
package main

import (
	"os"

	"github.com/hush-secrets/hush/bench/coldstart/program"
	"github.com/hush-secrets/hush/bench/coldstart/program/sdkread"
)

func main() { os.Exit(program.Run(sdkread.Read)) }
