#!/bin/sh
# installed.sh MESON BUILD EXAMPLE VERSION CC... - the example compiles, links and runs against the
# installed library as a stranger's program would: through pkg-config, with nothing of this tree in
# the search path, every warning an error.
set -eu
meson=$1 build=$2 example=$3 version=$4
shift 4
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$meson" install -C "$build" --no-rebuild --quiet --destdir "$out/root" >/dev/null
pc=$(find "$out/root" -name iamacl.pc)
[ -n "$pc" ]
export PKG_CONFIG_LIBDIR="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$out/root"
[ "$(pkg-config --modversion iamacl)" = "$version" ]
# Only the library itself: who links with it needs nothing else.
[ "$(pkg-config --libs-only-l iamacl | tr -d ' ')" = -liamacl ]
cp "$example" "$out/program.c"
cd "$out"
# shellcheck disable=SC2046 # the flags are words
"$@" -std=c17 -Wall -Wextra -pedantic -Werror program.c $(pkg-config --cflags --libs iamacl) \
	-o program
lib=$(find "$out/root" -name 'libiamacl.so.*.*.*')
LD_LIBRARY_PATH=${lib%/*} ldd program | grep -qF "${lib%/*}/libiamacl.so"
LD_LIBRARY_PATH=${lib%/*} ./program | grep -q 'dora may read wiki: .*through trainees, staff$'
