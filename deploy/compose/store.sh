#!/bin/sh
# Starts an S3 server over a directory, with the root credentials in the two files that STORE_KEYS holds and one bucket
# for each argument.
set -eu
for bucket in "$@"; do
	mkdir -p "/data/$bucket"
done
ROOT_ACCESS_KEY=$(cat "$STORE_KEYS/access-key-id")
ROOT_SECRET_KEY=$(cat "$STORE_KEYS/secret-access-key")
export ROOT_ACCESS_KEY ROOT_SECRET_KEY
exec versitygw --port :7070 --health /health posix /data
