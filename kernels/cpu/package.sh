#!/bin/sh
# What Maven runs: builds the host's library, and with HENG_CROSS_AARCH64=1 the one for AArch64, into TARGET/PLATFORM.
# Without a compiler it says what that means and succeeds: the Java side then reports the library as missing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=$1
host=$(uname -m)
status=0
sh "$here/build.sh" "$target/linux-$host" "$host" || status=$?
if [ "$status" -eq 3 ]; then
    echo "heng: no C compiler ('${CC:-cc}') was found, so the native CPU kernels are not built and backend 'cpu' will be unavailable." >&2
    echo "heng: install one (Debian: apt-get install gcc libc6-dev) and build again." >&2
elif [ "$status" -ne 0 ]; then
    exit "$status"
fi
if [ "${HENG_CROSS_AARCH64:-0}" = 1 ] && [ "$host" != aarch64 ]; then
    CC=aarch64-linux-gnu-gcc sh "$here/build.sh" "$target/linux-aarch64" aarch64
fi
