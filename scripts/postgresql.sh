#!/bin/sh
# Installs PostgreSQL's server programs, which the tests and the demo run privately, unless they are there.
set -eu

installed() {
	for dir in /usr/lib/postgresql/*/bin; do
		if [ -x "$dir/postgres" ] && [ -x "$dir/initdb" ] && [ -x "$dir/pg_dump" ]; then
			return 0
		fi
	done
	command -v postgres >/dev/null && command -v initdb >/dev/null && command -v pg_dump >/dev/null
}

if installed; then
	exit 0
fi
if ! command -v apt-get >/dev/null; then
	cat >&2 <<'END'
PostgreSQL's server programs are needed: postgres, initdb and pg_dump, version 13 or later, in PATH.
Install them with the system's package manager and run this again:
  Fedora, RHEL   dnf install postgresql-server postgresql
  Alpine         apk add postgresql postgresql-client
  Arch           pacman -S postgresql
  macOS          brew install postgresql
END
	exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "PostgreSQL's server programs are needed: run 'apt-get install postgresql' as root." >&2
		exit 1
	fi
	as_root=sudo
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A cluster of the package's own would run for nothing: it is neither made nor started.
if ! {
	$as_root apt-get update -q &&
		$as_root mkdir -p /etc/postgresql-common/createcluster.d &&
		echo 'create_main_cluster = false' | $as_root tee /etc/postgresql-common/createcluster.d/tranship.conf &&
		$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends postgresql
} >"$log" 2>&1; then
	cat "$log" >&2
	echo "apt-get could not install the package postgresql." >&2
	exit 1
fi
if ! installed; then
	echo "The package postgresql is installed, but there is no /usr/lib/postgresql/*/bin/postgres." >&2
	exit 1
fi
