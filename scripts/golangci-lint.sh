#!/usr/bin/env bash
# Builds the pinned linter from tools/lint into .tools/bin, once per version.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.tools/bin/golangci-lint
stamp=$bin.sum
want=$(cat tools/lint/go.mod tools/lint/go.sum | cksum)
if [[ -x $bin && -f $stamp && $(cat "$stamp") == "$want" ]]; then
	exit 0
fi
mkdir -p .tools/bin
go build -C tools/lint -o "$PWD/$bin" github.com/golangci/golangci-lint/v2/cmd/golangci-lint
printf '%s\n' "$want" >"$stamp"
