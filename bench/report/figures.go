package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// comparisons are all rows of the report's table.
var comparisons = slices.Concat(hitComparisons(), growthComparisons(), callComparisons(), agentComparisons(), startComparisons(), sizeComparisons)

func hit(mode string, goroutines int, cache string) string {
	return fmt.Sprintf("Hit/%s/goroutines=%d/%s", mode, goroutines, cache)
}

func hitComparisons() []comparison {
	return []comparison{
		{section: "hits", operation: "hit, 1 goroutine, one hot secret", beside: "otter", ours: hit("hot", 1, "hush"), floor: hit("hot", 1, "otter"), limit: "≤ 0.72"},
		{section: "hits", operation: "hit, 2 goroutines, one hot secret", beside: "otter", ours: hit("hot", 2, "hush"), floor: hit("hot", 2, "otter"), limit: "≤ 0.80"},
		{section: "hits", operation: "hit with CountHits, 2 goroutines, one hot secret", beside: "otter", ours: hit("hot", 2, "hush+CountHits"), floor: hit("hot", 2, "otter"), limit: "≤ 0.90"},
		{section: "hits", operation: "throughput, 2 goroutines, one hot secret", beside: "1 goroutine", ours: hit("hot", 2, "hush"), floor: hit("hot", 1, "hush"), unit: "calls/s", limit: "≥ 1.7"},
		{section: "hits", operation: "hit, 1 goroutine, 100 secrets", beside: "otter", ours: hit("spread", 1, "hush"), floor: hit("spread", 1, "otter"), limit: "≤ 0.75"},
		{section: "hits", operation: "hit, 2 goroutines, 100 secrets", beside: "otter", ours: hit("spread", 2, "hush"), floor: hit("spread", 2, "otter"), limit: "≤ 0.75"},
		{section: "hits", operation: "hit, 1 goroutine, one hot secret", beside: "sync.Map and time.Now", ours: hit("hot", 1, "hush"), floor: hit("hot", 1, "syncmap+clock")},
		{section: "hits", operation: "hit with a field", beside: "without", ours: hit("hot", 1, "hush+field"), floor: hit("hot", 1, "hush"), limit: "≤ 1.25"},
		{section: "hits", operation: "hit by handle", beside: "by Ref", ours: hit("hot", 1, "hush+handle"), floor: hit("hot", 1, "hush"), limit: "≤ 0.8"},
		{section: "hits", operation: "hit, allocations, at most", ours: "Hit/*/*/hush*", unit: "allocs/op", by: absolute, limit: "≤ 0"},
	}
}

func growthComparisons() (all []comparison) {
	for _, size := range []int{1000, 100_000} {
		n, number := strconv.Itoa(size), thousands(float64(size))
		all = append(all,
			comparison{section: "growth", operation: "hit among " + number + " secrets", beside: "among 10", ours: "Entries/n=" + n + "/hush", floor: "Entries/n=10/hush"},
			comparison{section: "growth", operation: "hit among " + number + " secrets", beside: "otter", ours: "Entries/n=" + n + "/hush", floor: "Entries/n=" + n + "/otter"},
			comparison{section: "growth", operation: "miss in a full cache of " + number, beside: "otter", ours: "Miss/n=" + n + "/hush", floor: "Miss/n=" + n + "/otter"},
		)
	}
	for _, found := range []string{"first", "last"} {
		for _, n := range []string{"2", "4", "8"} {
			all = append(all, comparison{
				section: "growth", operation: fmt.Sprintf("chain of %s, the %s link has the secret", n, found), beside: "a chain of one",
				ours: "Links/found=" + found + "/n=" + n, floor: "Links/found=" + found + "/n=1", by: difference,
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
		{section: "chain", operation: "chain of one", beside: "its link", ours: "Healthy/links=1", floor: link, by: difference, limit: "≤ 60"},
		{section: "chain", operation: "chain of three, the first link has the secret", beside: "that link", ours: "Healthy/links=3", floor: link, by: difference, limit: "≤ 60"},
		{section: "chain", operation: "chain of three, allocations", beside: "that link", ours: "Healthy/links=3", floor: link, unit: "allocs/op", by: difference, limit: "≤ 0"},
		{section: "chain", operation: "chain of three, zap at Info, no line written", beside: "that link", ours: "Healthy/links=3/log=info", floor: link, by: difference, limit: "≤ 110"},
		{section: "chain", operation: "chain of three, zap at Debug, a line written", beside: "that link", ours: "Healthy/links=3/log=debug", floor: link, by: difference},
		{section: "load", operation: "chain that writes a log line", beside: "zap writing that line", ours: "LogLine/chain", floor: "LogLine/zap"},
		{section: "extension", operation: "extension, kept connection", beside: "bare net/http, same body", ours: "Get/extension", floor: "Get/bare", turns: "Get/ratio", limit: "≤ 1.03"},
		{section: "extension", operation: "extension, allocations", beside: "bare net/http", ours: "Get/extension", floor: "Get/bare", unit: "allocs/op", by: difference, limit: "≤ 0"},
		{section: "direct", operation: "direct, kept connection", beside: "the AWS SDK", ours: "Get/direct", floor: "Get/sdk"},
		{section: "vault", operation: "Vault, KV 1", beside: "its official client", ours: kv1 + "hush", floor: kv1 + "bare", turns: kv1 + "in_turns", limit: "≤ 1.05"},
		{section: "vault", operation: "Vault, KV 2", beside: "its official client", ours: kv2 + "hush", floor: kv2 + "bare", turns: kv2 + "in_turns", limit: "≤ 1.05"},
		{section: "vault", operation: "Vault, KV 2, 5 KB", beside: "its official client", ours: large + "hush", floor: large + "bare", turns: large + "in_turns"},
		{section: "vault", operation: "Vault, KV 1, allocations", beside: "its official client", ours: kv1 + "hush", floor: kv1 + "bare", unit: "allocs/op", by: difference},
		{section: "vault", operation: "Vault, KV 2, allocations", beside: "its official client", ours: kv2 + "hush", floor: kv2 + "bare", unit: "allocs/op", by: difference},
		{section: "vault", operation: "Vault, KV 2, 5 KB, allocations", beside: "its official client", ours: large + "hush", floor: large + "bare", unit: "allocs/op", by: difference},
		{section: "load", operation: "Load of 50 fields, warm cache", beside: "50 Gets", ours: "Load/Load", floor: "Load/Gets"},
		{section: "load", operation: "GetAll of 20 secrets, warm cache", beside: "20 Gets", ours: "GetAll/GetAll", floor: "GetAll/Gets"},
	}
}

func agentComparisons() (all []comparison) {
	const beside = "bare net/http"
	for _, size := range []string{"66B", "60KB"} {
		for _, clients := range []string{"1", "16", "200"} {
			name := fmt.Sprintf("Agent/%s/clients=%s/", size, clients)
			operation := fmt.Sprintf("agent, %s, clients: %s; ", size, clients)
			all = append(all,
				comparison{section: "agent", operation: operation + "throughput", beside: beside, ours: name + "hush", floor: name + "bare", unit: "req/s", limit: "≥ 0.92"},
				comparison{section: "agent", operation: operation + "CPU for each request", beside: beside, ours: name + "hush", floor: name + "bare", unit: "cpu-ns/op", limit: "≤ 1.1"},
			)
		}
		name := "Agent/" + size + "/clients=200/"
		all = append(all, comparison{section: "agent", operation: "agent, " + size + ", clients: 200; memory", beside: beside, ours: name + "hush", floor: name + "bare", unit: "MiB"})
	}
	return append(all, comparison{
		section: "start", operation: "hush agent, from exec to the first secret", beside: "a bare program, same exchange",
		ours: "Start/hush", floor: "Start/bare", limit: "≤ 1.3", enough: 15e6,
	})
}

func startComparisons() (all []comparison) {
	const noGroups = "no CPU share: cgroups cannot be set here"
	for _, share := range []struct{ id, name, mayLack string }{{"core", "a full core", ""}, {"128MB", "the CPU share of 128 MB", noGroups}} {
		at := func(latency, program string) string {
			return "ColdStart/share=" + share.id + "/latency=" + latency + "/" + program
		}
		for _, latency := range []string{"0s", "30ms"} {
			all = append(all, comparison{
				section: "coldstart", operation: fmt.Sprintf("cold start, %s, store takes %s: extension alone", share.name, strings.Replace(latency, "0s", "0ms", 1)), beside: "the recipe, net/http",
				ours: at(latency, "extension/extension"), floor: at(latency, "recipe/extension"), limit: "≤ 1.1", mayLack: share.mayLack,
			})
		}
		all = append(
			all,
			comparison{
				section: "coldstart", operation: "CPU of a start, " + share.name + ": config/all, extension responds", beside: "config, lean",
				ours: at("0s", "all/extension"), floor: at("0s", "lean/extension"), unit: "cpu-ns/op", limit: "≤ 1.5", mayLack: share.mayLack,
			},
			comparison{
				section: "coldstart", operation: "CPU of a start, " + share.name + ": config/all, extension responds", beside: "lean, linked with both SDKs",
				ours: at("0s", "all/extension"), floor: at("0s", "linked/extension"), unit: "cpu-ns/op", mayLack: share.mayLack,
			},
			comparison{
				section: "coldstart", operation: "CPU of a start, " + share.name + ": config/all, direct responds", beside: "bare SDK",
				ours: at("0s", "all/direct"), floor: at("0s", "sdk/direct"), unit: "cpu-ns/op", limit: "≤ 1.1", mayLack: share.mayLack,
			},
			comparison{
				section: "coldstart", operation: "CPU of a start, " + share.name + ": config/all, direct responds", beside: "bare SDK, linked with Vault's client",
				ours: at("0s", "all/direct"), floor: at("0s", "sdkvault/direct"), unit: "cpu-ns/op", mayLack: "this program was not measured",
			},
		)
	}
	return all
}

var sizeComparisons = []comparison{
	{section: "init", operation: "time before main, with cachettl, chain, extension, env", beside: "net/http, encoding/json, zap", ours: "Init/hush", floor: "Init/floor", unit: "init-ns/op", limit: "≤ 1.05"},
	{section: "init", operation: "allocations before main", beside: "net/http, encoding/json, zap", ours: "Init/hush", floor: "Init/floor", unit: "init-allocs", by: difference},
	{section: "size", operation: "binary with cachettl, chain, extension, env", beside: "net/http, encoding/json, zap", ours: "Size/hush", floor: "Size/floor", unit: "bytes", limit: "≤ 1.08"},
	{section: "size", operation: "the same with vault", beside: "with hashicorp/vault/api", ours: "Size/vault", floor: "Size/vaultfloor", unit: "bytes", limit: "≤ 1.03"},
}
