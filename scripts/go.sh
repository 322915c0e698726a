#!/usr/bin/env bash
# Says what is missing when there is no Go or no C compiler.
set -euo pipefail
missing=()
command -v go >/dev/null || missing+=("Go 1.26 or later: https://go.dev/dl")
command -v cc >/dev/null || command -v gcc >/dev/null || missing+=("a C compiler: apt-get install gcc")
if ((${#missing[@]})); then
	printf 'Tranship builds with these, and they are not here:\n' >&2
	printf '  - %s\n' "${missing[@]}" >&2
	exit 1
fi
