#!/bin/sh
# Builds the S3 server that tests and the demo use into .tools/bin, unless the one there is up to date.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
binary=$root/.tools/bin/versitygw
if [ -x "$binary" ] && [ "$binary" -nt "$root/tools/go.mod" ] && [ "$binary" -nt "$root/tools/go.sum" ]; then
	exit 0
fi
mkdir -p "$root/.tools/bin"
printf '*\n' >"$root/.tools/.gitignore"
# Built under another name: whoever looks meanwhile finds the old one or none.
go build -C "$root/tools" -ldflags '-s -w' -o "$binary.$$" github.com/versity/versitygw/cmd/versitygw
touch "$binary.$$"
mv -f "$binary.$$" "$binary"
