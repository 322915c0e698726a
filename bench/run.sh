#!/usr/bin/env bash
# Runs the benchmarks, from the top of the source tree. N is the number of customers.
set -euo pipefail
cd "$(dirname "$0")/.."
n=${N:-200000}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/" ./cmd/tranship ./bench/masking ./bench/clone
echo "$(nproc) processors, $n customers"
"$dir/masking" -n "$n"
"$dir/clone" -n "$n" -binary "$dir/tranship"
