// Command sdkvault is sdk, linked with Vault's client without using it. It is the floor for a
// program with every scheme that reads from Secrets Manager.
package main

import (
	"os"
	"runtime"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush/bench/coldstart/program"
	"github.com/hush-secrets/hush/bench/coldstart/program/sdkread"
)

func main() {
	status := program.Run(sdkread.Read)
	runtime.KeepAlive(linked)
	os.Exit(status)
}

// linked keeps Vault's client, because the linker removes unreferenced code.
var linked = []any{api.NewClient, (*api.Logical).ReadWithContext}
