#!/bin/sh
# Makes every key and password of the compose file once, and gives each container what it needs and nothing else:
# /keys/all is seen by this script only, /keys/NAME is the volume of container NAME.
set -eu
umask 077
root=${KEYS_ROOT:-/keys} # the tests run this elsewhere
all=$root/all
tranship keys generate --quiet --dir "$all" \
	--location vault --location masked --location cloud --masking mask \
	--signer capturer --signer masker --signer verifier --signer transferer --signer restorer \
	--service scheduler --service capturer --service masker --service verifier --service transferer --service restorer --service gateway

# random NAME: a password, made once.
random() {
	[ -s "$all/$1" ] || head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$all/$1"
}
for store in store-a store-b; do
	random "$store.access-key-id"
	random "$store.secret-access-key"
done
random source.password
random target.password
for db in source target; do
	printf 'postgres://shop:%s@%s-db:5432/shop?sslmode=disable' "$(cat "$all/$db.password")" "$db" >"$all/$db.dsn"
done

# give NAME UID FILE...: the files of one container, for the user that it runs as.
give() {
	to=$root/$1 uid=$2
	shift 2
	for file in "$@"; do
		cp "$all/${file%%=*}" "$to/${file##*=}"
	done
	chmod 0700 "$to"
	chmod 0600 "$to"/*
	[ "$(id -u)" != 0 ] || chown -R "$uid:$uid" "$to"
}
a="store-a.access-key-id store-a.secret-access-key"
b="store-b.access-key-id store-b.secret-access-key"
# NAME.writer.key writes and cannot read; NAME.key reads. The server of the bus knows public halves only.
# shellcheck disable=SC2086 # lists of files
{
	give nats 10001 scheduler.nk.pub capturer.nk.pub masker.nk.pub verifier.nk.pub transferer.nk.pub restorer.nk.pub gateway.nk.pub
	give scheduler 10001 scheduler.nk
	give capturer 10001 capturer.nk capturer.signing.key vault.writer.key $a source.dsn
	give masker 10001 masker.nk masker.signing.key vault.key masked.writer.key $a mask-1.key
	give verifier 10001 verifier.nk verifier.signing.key vault.key masked.key $a
	give transferer 10001 transferer.nk transferer.signing.key masked.key cloud.writer.key $a $b
	give restorer 10001 restorer.nk restorer.signing.key cloud.key $b target.dsn
	give gateway 10001 gateway.nk $a $b
	give store-a 10001 store-a.access-key-id=access-key-id store-a.secret-access-key=secret-access-key
	give store-b 10001 store-b.access-key-id=access-key-id store-b.secret-access-key=secret-access-key
	give source-db 70 source.password=password
	give target-db 70 target.password=password
}
tranship keys show --dir "$all" # ids and public keys, for the resources
