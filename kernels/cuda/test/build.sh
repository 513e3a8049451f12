#!/bin/sh
# Builds a libcuda.so.1 that runs the kernels on the host (simulated), so that the backend can be tried where there is no GPU:
#   sh build.sh FOLDER && java -Dheng.cuda.driver=FOLDER/libcuda.so.1 ...
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
mkdir -p "$out/src"
cp "$here"/../src/* "$out/src/"
cp "$here/ptx.cuh" "$here/host.h" "$out/src/"
# Dynamic shared memory has no name on the host.
sed -i -E 's/extern __shared__ (__align__\(16\) )?float ([a-z_]+)\[\];/float* \2 = (float*)host::dynamic_shared;/; s/#include "arguments.h"/#include "host.h"\n#include "arguments.h"/' "$out"/src/*.cu "$out"/src/*.cuh
for file in "$out"/src/*.cu; do
    name=$(basename "$file" .cu)
    {
        cat "$file"
        g++ -E -x c++ "$file" -I"$out/src" 2>/dev/null | tr ';{}' '\n\n\n' | sed -nE 's/.*extern "C" +void +([a-z0-9_]+)\( *const +([A-Za-z0-9]+) a\).*/static host::Registration register_\1("\1", [](const void* p) { \1(*(const \2*)p); }, sizeof(\2));/p'
    } >"$out/src/$name.cpp"
done
ls "$out"/src/*.cpp | CXXOUT=$out xargs -P 2 -n 1 sh -c 'g++ -std=c++17 -O1 -fPIC -ffp-contract=off -w -fpermissive -c "$0" -I"$CXXOUT/src" -o "${0%.cpp}.o"'
g++ -std=c++17 -O2 -fPIC -w -c "$here/driver.cpp" -I"$out/src" -o "$out/src/driver.o"
g++ -shared -o "$out/libcuda.so.1" "$out"/src/*.o
