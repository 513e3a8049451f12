#!/bin/sh
# What can be checked without a GPU: sh check.sh. Runs the kernels of mma.sync on the host (emulator.h). Exit status 3: no C++ compiler.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cxx=${CXX:-c++}
command -v "$cxx" >/dev/null 2>&1 || exit 3
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for test in emulate emulate_latent; do
    "$cxx" -std=c++17 -O2 -Wall -Wextra -Werror -Wno-unknown-pragmas -Wno-unused-function -o "$out/$test" "$here/$test.cpp"
    "$out/$test"
done
