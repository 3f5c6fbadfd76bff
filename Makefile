# Short names for common commands. .ci/run has every check that must pass.
.PHONY: all ci test race lint fmt tidy bench fuzz size demo clean

all: test lint

ci: ## every check that a change must pass
	.ci/run

test:
	go test ./...

race:
	go test -race -shuffle=on -count=1 ./...

lint:
	.ci/run vet gofumpt staticcheck golangci-lint tidy

fmt:
	.ci/tools
	.ci/bin/gofumpt -w .

tidy:
	for dir in . tools bench adapters integration; do go -C $$dir mod tidy; done

bench: ## measure Hush beside its peers, and render docs/performance.md and its pictures
	go -C bench run ./report

.PHONY: coldstart fleet stress soak agent-load
coldstart: ## measure the time from exec to the first secret, beside net/http and the SDK
	go -C bench run ./coldstart

fleet: ## simulate a fleet that starts together, and count its calls of Secrets Manager
	go test -C bench -count=1 -run TestFleet -v ./fleet

stress: ## run reads, changes and faults at once under the race detector, for half a minute
	HUSH_STRESS=30s go test -race -count=1 -timeout=5m -run TestStress -v ./internal/test/stress

soak: ## check memory, goroutines and files over sockets with faults, for ten minutes
	HUSH_SOAK=10m go test -count=1 -timeout=15m -run TestSoak -v ./internal/test/stress

agent-load: ## run 200 clients of the agent beside net/http, for ten seconds
	LOAD=10s go test -count=1 -timeout=5m -run TestAgentLoad -v ./cmd/hush

agent-attack: ## run clients of the agent while others attack it, half a minute for each attack
	ATTACK=30s go test -count=1 -timeout=15m -run TestAgentUnderAttack -v ./cmd/hush

fuzz: ## run each fuzz target for a minute
	FUZZTIME=1m .ci/run fuzz

size: ## measure what Hush adds to a stripped binary
	go -C bench run ./size

demo:
	go run ./cmd/hush demo

clean:
	rm -rf bin .ci/bin
