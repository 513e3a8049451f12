#!/bin/sh
# What Maven runs: builds the simulated CANN into a folder. Without a compiler it says what that means and succeeds: the Java side then reports it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
status=0
sh "$here/build.sh" "$1" || status=$?
if [ "$status" -eq 3 ]; then
    echo "heng: no C compiler ('${CC:-cc}') was found, so the Ascend simulator is not built and nothing can be simulated." >&2
elif [ "$status" -ne 0 ]; then
    exit "$status"
fi
