#!/bin/sh
# Builds the prefill kernels: sh build.sh OUTPUT_FOLDER. Gives sm_90a/FILE.cubin for Hopper and sm_80/FILE.cubin, which runs on 8.0 to 8.9.
# Environment: NVCC (default nvcc). Exit status 3: there is no nvcc.
#
# Nothing is done if sources and compiler are those of the last build. Kernels that serialise their products
# or spill more than a few registers around a tile (16 bytes) fail it: both mean that this compiler allocates registers otherwise.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
nvcc=${NVCC:-nvcc}
command -v "$nvcc" >/dev/null 2>&1 || exit 3
mkdir -p "$out/sm_90a" "$out/sm_80"
stamp=$(cat "$here"/build.sh "$here"/*.cu "$here"/*.cuh | cksum)" $("$nvcc" --version | tail -n 1)"
if [ "$(cat "$out/prefill.stamp" 2>/dev/null)" = "$stamp" ]; then exit 0; fi
rm -f "$out/prefill.stamp"

{
    for file in grouped_bf16 grouped_e4m3 quantize dispatch; do echo "90a $file"; done
    for file in dispatch grouped_mma; do echo "80 $file"; done
} | NVCC=$nvcc OUT=$out HERE=$here xargs -P 2 -n 2 sh -c '
    target=$OUT/sm_$0/$1
    "$NVCC" -std=c++17 -O3 -gencode "arch=compute_$0,code=sm_$0" -cubin -Xptxas -v "$HERE/$1.cu" -o "$target.new" >"$target.log" 2>&1 ||
        { cat "$target.log" >&2; exit 255; }
    if grep -q "Potential Performance Loss" "$target.log" || grep -Eq " ([2-9][0-9]|1[7-9]|[0-9]{3,}) bytes spill stores" "$target.log"; then
        cat "$target.log" >&2
        echo "heng: $1.cu spills registers or serialises its products with this compiler" >&2
        exit 255
    fi
    mv "$target.new" "$target.cubin"
    rm "$target.log"'
echo "$stamp" >"$out/prefill.stamp"
