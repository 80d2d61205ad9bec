#!/bin/bash
# SPDX-License-Identifier: MPL-2.0
#
# Builds the Debian packages of debian/ from the files of this tree, changed
# ones included, into build-packages/. Nothing is signed. Two runs on the same
# files with the same compiler give the same packages, byte by byte.
#
# usage: tools/package.sh
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

out=$PWD/build-packages
version=$(sed -n 's/^mig (\([^)]*\)).*/\1/p;q' debian/changelog)
source=$out/mig-$version

fail() {
	printf 'package: %s\n' "$*" >&2
	exit 1
}

# What git would commit, or else everything but what was built.
list_files() {
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files -z --cached --others --exclude-standard
	else
		find . -path './build*' -prune -o -type f -printf '%P\0'
	fi
}

tools/deps.sh package
grep -qF "version: '$version'" meson.build ||
	fail "debian/changelog says $version, meson.build another version"

# The same files give the same packages.
# tests/ is no part of a build without them
wanted=$(list_files | grep -zv "^tests/" | sort -z | xargs -0 sha256sum 2>/dev/null | sha256sum)
if [ "$(cat "$out/inputs" 2>/dev/null)" = "$wanted" ]; then
	exit 0
fi

rm -rf "$source" "$out/inputs" "$out"/*.deb "$out"/mig_"$version"_*
mkdir -p "$source"
list_files | tar --create --null --files-from=- --ignore-failed-read |
	tar --extract --directory="$source"

# debhelper gives the build an empty home: a compiler cache stays where it is
export CCACHE_DIR=${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ccache}
export DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS:-nocheck parallel=$(nproc)}
(cd "$source" && dpkg-buildpackage --build=binary --no-sign) \
	>"$out/build.log" 2>&1 || {
	tail -n 60 "$out/build.log"
	fail "the build failed; all of it: $out/build.log"
}
rm -rf "$source"
echo "$wanted" >"$out/inputs"
