#!/bin/bash
# SPDX-License-Identifier: MPL-2.0
#
# Installs the Debian packages that are missing, and nothing that is there
# already. Services which a package would start are masked first and kept from
# starting while dpkg runs, so nothing listens that was not asked for.
#
# usage: tools/deps.sh [run | check | package | bench]
#   run    to build and run (what ./dev demo needs)
#   check  the same and every tool ./dev check and ./dev lint use (default)
#   package  to build the Debian packages (./dev package)
#   bench  the same and what the benchmarks compare with
set -euo pipefail

build=(
	gcc libc6-dev meson ninja-build pkg-config
	libevent-dev libmosquitto-dev libssl-dev libsodium-dev nettle-dev libgmp-dev libgpgme-dev
	librnp-dev libjansson-dev libcurl4-openssl-dev libmicrohttpd-dev
	libsqlite3-dev libzstd-dev zlib1g-dev libbz2-dev liblzma-dev
	libseccomp-dev libcap-ng-dev libpcre2-dev libcmocka-dev
)
run=(mosquitto gpg gpg-agent gpgconf pinentry-curses)
check=(
	python3 python3-pytest python3-pytest-xdist clang clang-14 clang-format clang-tidy
	libclang-rt-14-dev llvm-14 libasan8 libubsan1 binutils mandoc
	shellcheck gcovr sqlite3 openssl gpgv bzip2 xz-utils zstd gzip
	python3-cryptography python3-yaml mosquitto-clients procps git iproute2 mount
	rpm db-util openssh-client curl
)
package=(debhelper dpkg-dev lintian mmdebstrap eatmydata)
bench=(fd-find ripgrep python3 yara)

# The same engine under two names: Hyperscan is for amd64 only.
if [ "$(dpkg --print-architecture)" = amd64 ]; then
	build+=(libhyperscan-dev)
else
	build+=(libvectorscan-dev)
fi

# Services of these packages are never started by the installation.
masked=(mosquitto.service)

case "${1:-check}" in
run)	want=("${build[@]}" "${run[@]}") ;;
check)	want=("${build[@]}" "${run[@]}" "${check[@]}" "${package[@]}") ;;
package) want=("${build[@]}" "${package[@]}") ;;
bench)	want=("${build[@]}" "${run[@]}" "${check[@]}" "${bench[@]}") ;;
*)
	echo "deps: unknown group '$1': run, check, package or bench" >&2
	exit 2
	;;
esac

missing=()
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' \
	"${want[@]}" 2>/dev/null | sed -n 's/ installed$//p' || true)
for p in "${want[@]}"; do
	grep -qxF "$p" <<<"$installed" || missing+=("$p")
done
if [ ${#missing[@]} -eq 0 ]; then
	exit 0
fi

echo "deps: installing ${missing[*]}"
if [ "$(id -u)" -eq 0 ]; then
	root=()
elif command -v sudo >/dev/null; then
	root=(sudo)
else
	cat >&2 <<-TEXT
	deps: these packages are missing and neither root rights nor sudo are here.
	As root:  apt-get install ${missing[*]}
	TEXT
	exit 1
fi
as_root() { "${root[@]}" "$@"; }

policy=/usr/sbin/policy-rc.d
saved=$policy.before-mig
restore() {
	as_root rm -f "$policy"
	if [ -e "$saved" ]; then
		as_root mv "$saved" "$policy"
	fi
}

for p in "${masked[@]}"; do
	case " ${missing[*]} " in
	*" ${p%.service} "*)
		if command -v systemctl >/dev/null; then
			as_root systemctl mask --quiet "$p"
		elif [ ! -e "/etc/systemd/system/$p" ]; then
			as_root mkdir -p /etc/systemd/system
			as_root ln -s /dev/null "/etc/systemd/system/$p"
		fi
		;;
	esac
done
if [ -e "$policy" ] && [ ! -e "$saved" ]; then
	as_root mv "$policy" "$saved"
fi
trap restore EXIT
printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
as_root chmod 755 "$policy"

apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y
	-o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
as_root "${apt[@]}" update
as_root "${apt[@]}" install --no-install-recommends "${missing[@]}"
