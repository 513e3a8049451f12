#!/bin/sh
# Builds libheng_cpu.so for one platform: sh build.sh OUTPUT_FOLDER [ARCHITECTURE]
# Environment: CC (default cc; for another architecture name its cross compiler). Instruction-set flags are per file: nothing in the
# library but a level's own kernels is compiled for more than the platform's baseline, and a level runs only where the processor has it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
arch=${2:-$(uname -m)}
cc=${CC:-cc}
flags="-std=gnu11 -O3 -Wall -Wextra -Werror -fPIC -fvisibility=hidden -fno-math-errno -fno-trapping-math -ffp-contract=off -pthread -I$here/include"
objects="$out/objects"
mkdir -p "$objects"
compile() {
    source=$1
    shift
    # shellcheck disable=SC2086
    $cc $flags "$@" -c "$here/src/$source.c" -o "$objects/$source.o"
}
avx512="-mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512"
files="levels team program layout op_elementwise op_linear op_attention op_route level_scalar"
for file in $files; do compile "$file"; done
case $arch in
    x86_64)
        compile level_avx2 -mavx2 -mfma -mf16c
        # shellcheck disable=SC2086
        compile level_avx512 $avx512
        # shellcheck disable=SC2086
        compile level_avx512_vnni $avx512 -mavx512vnni
        ;;
    aarch64)
        compile level_neon
        compile level_neon_dotprod -march=armv8.2-a+dotprod
        ;;
    *)
        echo "heng: no kernels for architecture $arch" >&2
        exit 2
        ;;
esac
# Written beside and renamed, so that nobody ever loads half a library.
$cc -shared -pthread -Wl,-soname,libheng_cpu.so -Wl,-z,defs -Wl,-z,relro,-z,now -o "$out/libheng_cpu.so.new" "$objects"/*.o -lm
mv "$out/libheng_cpu.so.new" "$out/libheng_cpu.so"
rm -r "$objects"
