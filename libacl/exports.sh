#!/bin/sh
# exports.sh LIBRARY HEADER... - the library exports exactly the functions that the headers mark
# IAM_API. Names with two underscores are the compiler's (sanitizers).
set -eu
lib=$1
shift
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
nm -D --defined-only "$lib" | awk '$3 !~ /^__/ { print $3 }' | sort -u >"$out/exported"
grep -h '^IAM_API' "$@" | sed 's/(.*//; s/.*[ *]//' | sort -u >"$out/declared"
[ -s "$out/declared" ]
diff -u "$out/declared" "$out/exported"
