#!/bin/sh
# Builds the CUDA kernels: sh build.sh OUTPUT_FOLDER [TARGET...]
#
# Targets: sm_90a and others of that form give a cubin for one architecture, compute_80 gives PTX that the driver compiles for any GPU from
# compute capability 8.0 on. Default: sm_90a compute_80. Environment: NVCC (default nvcc). Exit status 3: there is no nvcc.
#
# Each source file becomes OUTPUT_FOLDER/TARGET/FILE.cubin or .ptx, and OUTPUT_FOLDER/TARGET/modules.txt names them; targets.txt names the targets. What is compiled from the
# same text by the same compiler is not compiled again. Kernels of the warpgroup instruction that spill more than a few registers (16 bytes) or
# serialise their products fail the build: both mean that this compiler allocates registers otherwise.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
shift
[ $# -gt 0 ] || set -- sm_90a compute_80
nvcc=${NVCC:-nvcc}
command -v "$nvcc" >/dev/null 2>&1 || exit 3
version=$("$nvcc" --version | tail -n 1)

# The file and all that it includes.
closure() {
    printf '%s\n' "$1"
    sed -n 's/^#include "\(.*\)"/\1/p' "$1" | while read -r name; do closure "$(dirname "$1")/$name"; done
}

# The sources of a target: products by warpgroups are Hopper's alone, and E4M3 conversions begin with 8.9.
sources() {
    ls "$here"/src/*.cu
    for name in dispatch unpack grouped_mma latent_gather latent_prefill; do echo "$here/prefill/$name.cu"; done
    case $1 in
        sm_90a) for name in quantize grouped_bf16 grouped_scaled grouped_e4m3; do echo "$here/prefill/$name.cu"; done ;;
    esac
}

mkdir -p "$out"
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
    for source in $(sources "$target"); do
        made="$out/$target/$(basename "$source" .cu)"
        stamp="$(closure "$source" | sort -u | xargs cat "$here/build.sh" | cksum) $version $code"
        if [ "$(cat "$made.stamp" 2>/dev/null)" != "$stamp" ] || [ ! -f "$made.$kind" ]; then
            rm -f "$made.stamp"
            printf '%s\n%s\n%s\n' "$source" "$made.$kind" "$stamp"
        fi
    done | tr '\n' '\0' |
        # Two at a time. Written beside and renamed, so that nobody ever loads half a module.
        NVCC=$nvcc KIND=$kind CODE=$code xargs -0 -r -P 2 -n 3 sh -c '
            # shellcheck disable=SC2086
            "$NVCC" --std=c++17 -O3 $CODE "--$KIND" -Xptxas -v -o "$1.new" "$0" >"$1.log" 2>&1 || { cat "$1.log" >&2; exit 255; }
            case $0 in
                */prefill/grouped_*)
                    if grep -q "Potential Performance Loss" "$1.log" || grep -Eq " ([2-9][0-9]|1[7-9]|[0-9]{3,}) bytes spill stores" "$1.log"; then
                        cat "$1.log" >&2
                        echo "heng: $0 spills registers or serialises its products with this compiler" >&2
                        exit 255
                    fi
                    ;;
            esac
            rm "$1.log"
            mv "$1.new" "$1"
            echo "$2" >"${1%.*}.stamp"'
    # What Java loads, by name.
    sources "$target" | xargs -n 1 basename | sed 's/\.cu$//' >"$out/$target/modules.txt"
done
printf '%s\n' "$@" >"$out/targets.txt"
