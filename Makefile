# Short names for what .ci/run and the go command do; .ci/run is what must pass.
.PHONY: all ci test race lint fmt tidy bench fuzz size demo clean

all: test lint

ci: ## all that must hold before a change lands
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

bench: ## hush beside its peers and floors: one table, docs/performance.md and its pictures
	go -C bench run ./report

.PHONY: coldstart fleet stress soak agent-load
coldstart: ## from exec to the first secret, beside bare net/http and the bare SDK
	go -C bench run ./coldstart

fleet: ## what a fleet that starts together asks of Secrets Manager, as tables
	go test -C bench -count=1 -run TestFleet -v ./fleet

stress: ## everything at once, for half a minute, under the race detector
	HUSH_STRESS=30s go test -race -count=1 -timeout=5m -run TestStress -v ./internal/test/stress

soak: ## ten minutes over real sockets with faults: memory, goroutines and files
	HUSH_SOAK=10m go test -count=1 -timeout=15m -run TestSoak -v ./internal/test/stress

agent-load: ## 200 clients of the agent for ten seconds, beside bare net/http
	LOAD=10s go test -count=1 -timeout=5m -run TestAgentLoad -v ./cmd/hush

agent-attack: ## clients of the agent while others attack it, half a minute for each attack
	ATTACK=30s go test -count=1 -timeout=15m -run TestAgentUnderAttack -v ./cmd/hush

fuzz: ## each target for a minute
	FUZZTIME=1m .ci/run fuzz

size: ## what hush adds to a stripped binary
	go -C bench run ./size

demo:
	go run ./cmd/hush demo

clean:
	rm -rf bin .ci/bin
