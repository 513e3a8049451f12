#!/bin/sh
# Builds libheng_cpu.so for one platform: sh build.sh OUTPUT_FOLDER [ARCHITECTURE]
#
# Environment: CC (default cc; for another architecture, its cross compiler). Exit status 3: there is no compiler.
#
# Instruction-set flags are per file: nothing but a level's own kernels is compiled for more than the platform's baseline, and a level
# runs only where the processor has it. Nothing is done if sources, flags and compiler are those of the last build.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
arch=${2:-$(uname -m)}
cc=${CC:-cc}
command -v "$cc" >/dev/null 2>&1 || exit 3

flags="-std=gnu11 -O3 -Wall -Wextra -Werror -fPIC -fvisibility=hidden -fno-math-errno -fno-trapping-math -ffp-contract=off -pthread"
avx512="-mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512"
common="levels team ceilings program layout op_elementwise op_linear op_attention op_route op_sample level_scalar"
case $arch in
    x86_64) levels="level_avx2 level_avx512 level_avx512_vnni level_avx512_amx" ;;
    aarch64) levels="level_neon level_neon_dotprod level_neon_i8mm level_neon_bf16" ;;
    *)
        echo "heng: no kernels for architecture $arch" >&2
        exit 2
        ;;
esac
flags_of() {
    case $1 in
        level_avx2) echo "-mavx2 -mfma -mf16c" ;;
        level_avx512) echo "$avx512" ;;
        level_avx512_vnni | level_avx512_amx) echo "$avx512 -mavx512vnni" ;;
        level_neon_dotprod) echo "-march=armv8.2-a+dotprod" ;;
        level_neon_i8mm) echo "-march=armv8.2-a+dotprod+i8mm" ;;
        level_neon_bf16) echo "-march=armv8.2-a+dotprod+i8mm+bf16" ;;
        *) ;;
    esac
}

mkdir -p "$out"
stamp=$(cat "$here/build.sh" "$here"/include/* "$here"/src/* | cksum)" $("$cc" --version | head -n 1) $arch"
if [ -f "$out/libheng_cpu.so" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then exit 0; fi

objects=$(mktemp -d "$out/objects.XXXXXX")
trap 'rm -rf "$objects"' EXIT
compile() {
    # shellcheck disable=SC2046,SC2086
    "$cc" $flags $(flags_of "$1") -I"$here/include" -c "$here/src/$1.c" -o "$objects/$1.o"
}
# The scalar level takes longest to compile; the others go beside it.
compile level_scalar &
scalar=$!
for file in $common $levels; do
    if [ "$file" != level_scalar ]; then compile "$file"; fi
done
wait "$scalar"
# Written beside and renamed, so that nobody ever loads half a library.
"$cc" -shared -pthread -Wl,-soname,libheng_cpu.so -Wl,-z,defs -Wl,-z,relro,-z,now -o "$objects/libheng_cpu.so" "$objects"/*.o -lm
mv "$objects/libheng_cpu.so" "$out/libheng_cpu.so"
echo "$stamp" >"$out/stamp"
