# Every command that the README names. Each installs what it needs and does nothing twice.
SHELL := /bin/bash
GO ?= go
BIN := bin/tranship
export TRANSHIP_TOOLS := $(CURDIR)/.tools/bin

.PHONY: help build demo test lint bench e2e generate tools clean

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk -F':.*?## ' '{printf "  make %-10s %s\n", $$1, $$2}'

build: ## Build the binary into bin/.
	@scripts/go.sh
	@$(GO) build -trimpath -o $(BIN) ./cmd/tranship

tools: ## Install what tests and demo need: PostgreSQL and an S3 server.
	@scripts/go.sh
	@scripts/postgresql.sh
	@scripts/versitygw.sh

demo: tools build ## Run the main job on a shop that it makes itself.
	@$(BIN) demo $(ARGS)

test: tools ## Run all tests with the race detector.
	@$(GO) test -race -timeout 30m ./...
	@cd test/deploy && $(GO) test ./...

lint: ## Check form and layers.
	@scripts/golangci-lint.sh
	@$(TRANSHIP_TOOLS)/golangci-lint run ./...

bench: tools build ## Run the benchmarks beside their peers and print the ratios.
	@bench/run.sh

e2e: tools ## Run only the end-to-end tests.
	@$(GO) test -race -count=1 -timeout 30m ./test/...

generate: ## Write schemas and reference pages again.
	@$(GO) generate ./...

clean: ## Remove what was built.
	@rm -rf bin dist
