#!/bin/sh
# Compiles the variants that the harness compares: sh build.sh OUTPUT_FOLDER. Fails on serialised products and on more than 16 spilled bytes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
mkdir -p "$out"
nvcc="${NVCC:-nvcc} -std=c++17 -gencode arch=compute_90a,code=sm_90a -cubin -Xptxas -v"
check() {
    if grep -q "Potential Performance Loss" "$1" || grep -Eq " ([2-9][0-9]|1[7-9]|[0-9]{3,}) bytes spill stores" "$1"; then
        cat "$1"
        echo "heng: $2 spills or serialises" >&2
        [ -n "${LENIENT:-}" ]
    fi
}
compile() { # target, options
    target=$1
    shift
    if [ -f "$out/$target.cubin" ] && [ -z "$(find "$here/.." -maxdepth 1 -name '*.cu*' -newer "$out/$target.cubin")" ]; then return; fi
    $nvcc "$@" -o "$out/$target.tmp" >"$out/$target.log" 2>&1 || { cat "$out/$target.log"; exit 1; }
    check "$out/$target.log" "$target"
    mv "$out/$target.tmp" "$out/$target.cubin"
}
compile dispatch "$here/../dispatch.cu"
compile quantize "$here/../quantize.cu"
variant() { # name, shape
    printf '#include "entry.cuh"\nHENG_GROUPED(%s, %s)\n' "$1" "$2" >"$out/$1.cu"
    compile "$1" -I"$here/.." "$out/$1.cu"
}
while read -r name element blocks columns stages cluster box; do
    case $name in '' | '#'*) continue ;; esac
    variant "${name}_plain" "$element, $blocks, $columns, $stages, $cluster, $box, false"
    variant "${name}_fused" "$element, $blocks, $columns, $stages, $cluster, $box, true"
done <"${2:-$here/variants.txt}"
