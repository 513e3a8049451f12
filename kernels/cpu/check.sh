#!/bin/sh
# What Maven runs to test: compiles test_cpu.c against the library in TARGET/PLATFORM and runs it at every level.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$1/linux-$(uname -m)
if [ ! -f "$folder/libheng_cpu.so" ]; then
    echo "heng: no native CPU kernels were built, so their tests did not run" >&2
    exit 0
fi
"${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -I"$here/include" "$here/test/test_cpu.c" -o "$folder/test_cpu" -L"$folder" -lheng_cpu -lm -Wl,-rpath,"$folder"
if [ -f "$folder/test_cpu.passed" ] && [ "$folder/test_cpu.passed" -nt "$folder/libheng_cpu.so" ] && [ "$folder/test_cpu.passed" -nt "$here/test/test_cpu.c" ]; then
    exit 0
fi
"$folder/test_cpu"
touch "$folder/test_cpu.passed"
