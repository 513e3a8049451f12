#!/bin/sh
# Builds the CUDA kernels: sh build.sh OUTPUT_FOLDER [TARGET...]
#
# Targets: sm_90a and others of that form give a cubin for one architecture, compute_80 gives PTX that the driver compiles for any GPU from
# compute capability 8.0 on. Default: sm_90a compute_80. Environment: NVCC (default nvcc). Exit status 3: there is no nvcc.
#
# Each source file becomes OUTPUT_FOLDER/TARGET/FILE.cubin or .ptx. Nothing is done if sources, targets and compiler are those of the last build.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
shift
[ $# -gt 0 ] || set -- sm_90a compute_80
nvcc=${NVCC:-nvcc}
command -v "$nvcc" >/dev/null 2>&1 || exit 3

mkdir -p "$out"
stamp=$(cat "$here/build.sh" "$here"/src/* | cksum)" $("$nvcc" --version | tail -n 1) $*"
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then exit 0; fi
rm -f "$out/stamp"

for target in "$@"; do
    case $target in
        sm_*) kind=cubin code="-gencode arch=compute_${target#sm_},code=$target" ;;
        compute_*) kind=ptx code="-gencode arch=$target,code=$target" ;;
        *)
            echo "heng: '$target' is no target: give sm_NN or compute_NN" >&2
            exit 2
            ;;
    esac
    mkdir -p "$out/$target"
    # Two at a time. Written beside and renamed, so that nobody ever loads half a module.
    for source in "$here"/src/*.cu; do echo "$source"; done |
        NVCC=$nvcc OUT=$out/$target KIND=$kind CODE=$code xargs -P 2 -n 1 sh -c '
            name=$(basename "$0" .cu)
            # shellcheck disable=SC2086
            "$NVCC" --std=c++17 -O3 $CODE "--$KIND" -o "$OUT/$name.new" "$0" && mv "$OUT/$name.new" "$OUT/$name.$KIND"'
done
# What Java loads, by name.
for source in "$here"/src/*.cu; do basename "$source" .cu; done >"$out/modules.txt"
echo "$stamp" >"$out/stamp"
