package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// comparisons are the rows of the table.
var comparisons = slices.Concat(hitComparisons(), growthComparisons(), callComparisons(), agentComparisons(), startComparisons(), sizeComparisons)

// hit returns the name of a benchmark of a cache hit.
func hit(mode string, goroutines int, cache string) string {
	return fmt.Sprintf("Hit/%s/goroutines=%d/%s", mode, goroutines, cache)
}

func hitComparisons() []comparison {
	return []comparison{
		{section: "hits", operation: "hit, 1 goroutine, one hot secret", baseline: "otter", ours: hit("hot", 1, "hush"), floor: hit("hot", 1, "otter"), limit: "≤ 0.72"},
		{section: "hits", operation: "hit, 2 goroutines, one hot secret", baseline: "otter", ours: hit("hot", 2, "hush"), floor: hit("hot", 2, "otter"), limit: "≤ 0.80"},
		{section: "hits", operation: "hit with CountHits, 2 goroutines, one hot secret", baseline: "otter", ours: hit("hot", 2, "hush+CountHits"), floor: hit("hot", 2, "otter"), limit: "≤ 0.90"},
		{section: "hits", operation: "throughput, 2 goroutines, one hot secret", baseline: "1 goroutine", ours: hit("hot", 2, "hush"), floor: hit("hot", 1, "hush"), unit: "calls/s", limit: "≥ 1.7"},
		{section: "hits", operation: "hit, 1 goroutine, 100 secrets", baseline: "otter", ours: hit("spread", 1, "hush"), floor: hit("spread", 1, "otter"), limit: "≤ 0.75"},
		{section: "hits", operation: "hit, 2 goroutines, 100 secrets", baseline: "otter", ours: hit("spread", 2, "hush"), floor: hit("spread", 2, "otter"), limit: "≤ 0.75"},
		{section: "hits", operation: "hit, 1 goroutine, one hot secret", baseline: "sync.Map and time.Now", ours: hit("hot", 1, "hush"), floor: hit("hot", 1, "syncmap+clock")},
		{section: "hits", operation: "hit with a field", baseline: "without a field", ours: hit("hot", 1, "hush+field"), floor: hit("hot", 1, "hush"), limit: "≤ 1.25"},
		{section: "hits", operation: "hit by handle", baseline: "by Ref", ours: hit("hot", 1, "hush+handle"), floor: hit("hot", 1, "hush"), limit: "≤ 0.8"},
		{section: "hits", operation: "hit, allocations, at most", ours: "Hit/*/*/hush*", unit: "allocs/op", relation: absolute, limit: "≤ 0"},
	}
}

func growthComparisons() (all []comparison) {
	for _, size := range []int{1000, 100_000} {
		n, number := strconv.Itoa(size), thousands(float64(size))
		all = append(all,
			comparison{section: "growth", operation: "hit among " + number + " secrets", baseline: "hit among 10 secrets", ours: "Entries/n=" + n + "/hush", floor: "Entries/n=10/hush"},
			comparison{section: "growth", operation: "hit among " + number + " secrets", baseline: "otter", ours: "Entries/n=" + n + "/hush", floor: "Entries/n=" + n + "/otter"},
			comparison{section: "growth", operation: "miss in a full cache of " + number, baseline: "otter", ours: "Miss/n=" + n + "/hush", floor: "Miss/n=" + n + "/otter"},
		)
	}
	for _, found := range []string{"first", "last"} {
		for _, n := range []string{"2", "4", "8"} {
			all = append(all, comparison{
				section: "growth", operation: fmt.Sprintf("chain of %s, the %s link has the secret", n, found), baseline: "a chain of one",
				ours: "Links/found=" + found + "/n=" + n, floor: "Links/found=" + found + "/n=1", relation: difference,
			})
		}
	}
	return all
}

func callComparisons() []comparison {
	const (
		link  = "Healthy/direct"
		kv1   = "Get/KV_v1/"
		kv2   = "Get/KV_v2/"
		large = "Get/KV_v2_of_5_KB/"
	)
	return []comparison{
		{section: "chain", operation: "chain of one", baseline: "its link", ours: "Healthy/links=1", floor: link, relation: difference, limit: "≤ 60"},
		{section: "chain", operation: "chain of three, the first link has the secret", baseline: "its first link", ours: "Healthy/links=3", floor: link, relation: difference, limit: "≤ 60"},
		{section: "chain", operation: "chain of three, allocations", baseline: "its first link", ours: "Healthy/links=3", floor: link, unit: "allocs/op", relation: difference, limit: "≤ 0"},
		{section: "chain", operation: "chain of three, zap at Info, no line written", baseline: "its first link", ours: "Healthy/links=3/log=info", floor: link, relation: difference, limit: "≤ 110"},
		{section: "chain", operation: "chain of three, zap at Debug, a line written", baseline: "its first link", ours: "Healthy/links=3/log=debug", floor: link, relation: difference},
		{section: "load", operation: "chain that writes a log line", baseline: "zap writing that line", ours: "LogLine/chain", floor: "LogLine/zap"},
		{section: "extension", operation: "extension, kept connection", baseline: "bare net/http, same body", alternating: "Get/ratio", limit: "≤ 1.03"},
		{section: "extension", operation: "extension, allocations", baseline: "bare net/http", ours: "Get/extension", floor: "Get/bare", unit: "allocs/op", relation: difference, limit: "≤ 0"},
		{section: "direct", operation: "direct, kept connection", baseline: "the AWS SDK", ours: "Get/direct", floor: "Get/sdk"},
		{section: "vault", operation: "Vault, KV 1", baseline: "its official client", alternating: kv1 + "in_turns", limit: "≤ 1.05"},
		{section: "vault", operation: "Vault, KV 2", baseline: "its official client", alternating: kv2 + "in_turns", limit: "≤ 1.05"},
		{section: "vault", operation: "Vault, KV 2, 5 KB", baseline: "its official client", alternating: large + "in_turns"},
		{section: "vault", operation: "Vault, KV 1, allocations", baseline: "its official client", ours: kv1 + "hush", floor: kv1 + "bare", unit: "allocs/op", relation: difference},
		{section: "vault", operation: "Vault, KV 2, allocations", baseline: "its official client", ours: kv2 + "hush", floor: kv2 + "bare", unit: "allocs/op", relation: difference},
		{section: "vault", operation: "Vault, KV 2, 5 KB, allocations", baseline: "its official client", ours: large + "hush", floor: large + "bare", unit: "allocs/op", relation: difference},
		{section: "load", operation: "Load of 50 fields, warm cache", baseline: "50 Gets", ours: "Load/Load", floor: "Load/Gets"},
		{section: "load", operation: "GetAll of 20 secrets, warm cache", baseline: "20 Gets", ours: "GetAll/GetAll", floor: "GetAll/Gets"},
	}
}

func agentComparisons() (all []comparison) {
	const bareHTTP = "bare net/http"
	for _, size := range []string{"66B", "60KB"} {
		for _, clients := range []string{"1", "16", "200"} {
			name := fmt.Sprintf("Agent/%s/clients=%s/", size, clients)
			operation := fmt.Sprintf("agent, %s, clients: %s; ", size, clients)
			all = append(all,
				comparison{section: "agent", operation: operation + "throughput", baseline: bareHTTP, ours: name + "hush", floor: name + "bare", unit: "req/s", limit: "≥ 0.92"},
				comparison{section: "agent", operation: operation + "CPU for each request", baseline: bareHTTP, ours: name + "hush", floor: name + "bare", unit: "cpu-ns/op", limit: "≤ 1.1"},
			)
		}
		name := "Agent/" + size + "/clients=200/"
		all = append(all, comparison{section: "agent", operation: "agent, " + size + ", clients: 200; memory", baseline: bareHTTP, ours: name + "hush", floor: name + "bare", unit: "MiB"})
	}
	return append(all, comparison{
		section: "start", operation: "hush agent, from exec to the first secret", baseline: "net/http and the AWS SDK, same exchange",
		ours: "Start/hush", floor: "Start/bare", limit: "≤ 1.3", sufficient: 15e6,
	})
}

func startComparisons() (all []comparison) {
	const noGroups = "no permission to create a cgroup"
	for _, share := range []struct{ id, name, optional string }{{"core", "a full core", ""}, {"128MB", "the CPU share of 128 MB", noGroups}} {
		at := func(latency, program string) string {
			return "ColdStart/share=" + share.id + "/latency=" + latency + "/" + program
		}
		for _, latency := range []string{"0s", "30ms"} {
			all = append(all, comparison{
				section: "coldstart", operation: fmt.Sprintf("cold start, %s, store takes %s: extension alone", share.name, strings.Replace(latency, "0s", "0ms", 1)), baseline: "the recipe, net/http",
				ours: at(latency, "extension/extension"), floor: at(latency, "recipe/extension"), limit: "≤ 1.1", optional: share.optional,
			})
		}
		all = append(
			all,
			comparison{
				section: "coldstart", operation: "CPU of a start, " + share.name + ": config/all, extension responds", baseline: "config, lean",
				ours: at("0s", "all/extension"), floor: at("0s", "lean/extension"), unit: "cpu-ns/op", limit: "≤ 1.5", optional: share.optional,
			},
			comparison{
				section: "coldstart", operation: "CPU of a start, " + share.name + ": config/all, extension responds", baseline: "lean, linked with both SDKs",
				ours: at("0s", "all/extension"), floor: at("0s", "linked/extension"), unit: "cpu-ns/op", optional: share.optional,
			},
			comparison{
				section: "coldstart", operation: "CPU of a start, " + share.name + ": config/all, direct responds", baseline: "bare SDK",
				ours: at("0s", "all/direct"), floor: at("0s", "sdk/direct"), unit: "cpu-ns/op", limit: "≤ 1.1", optional: share.optional,
			},
			comparison{
				section: "coldstart", operation: "CPU of a start, " + share.name + ": config/all, direct responds", baseline: "bare SDK, linked with Vault's client",
				ours: at("0s", "all/direct"), floor: at("0s", "sdkvault/direct"), unit: "cpu-ns/op", optional: "the program was not measured",
			},
		)
	}
	return all
}

var sizeComparisons = []comparison{
	{section: "init", operation: "time before main, with cachettl, chain, extension, env", baseline: "net/http, encoding/json, zap", ours: "Init/hush", floor: "Init/floor", unit: "init-ns/op", limit: "≤ 1.05"},
	{section: "init", operation: "allocations before main", baseline: "net/http, encoding/json, zap", ours: "Init/hush", floor: "Init/floor", unit: "init-allocs", relation: difference},
	{section: "size", operation: "binary with cachettl, chain, extension, env", baseline: "net/http, encoding/json, zap", ours: "Size/hush", floor: "Size/floor", unit: "bytes", limit: "≤ 1.08"},
	{section: "size", operation: "binary with cachettl, chain, extension, env, vault", baseline: "net/http, encoding/json, zap, hashicorp/vault/api", ours: "Size/vault", floor: "Size/vaultfloor", unit: "bytes", limit: "≤ 1.03"},
}
