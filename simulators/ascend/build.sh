#!/bin/sh
# Builds the simulated CANN for the host: sh build.sh OUTPUT_FOLDER. Makes OUTPUT/head (symbols of August 2026: libacl_rt.so and, as its legacy
# name, libascendcl.so; operators in three libraries, HCCL in two) and OUTPUT/2024 (symbols of the headers of 2024: libascendcl.so; operators in libopapi.so). Exit status 3: there is no C compiler.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
cc=${CC:-cc}
command -v "$cc" >/dev/null 2>&1 || exit 3
flags="-std=gnu11 -O2 -g -Wall -Wextra -Werror -fPIC -fvisibility=hidden -ffp-contract=off -pthread"
mkdir -p "$out"
stamp=$(cat "$here/build.sh" "$here"/include/*/* "$here"/src/* | cksum)
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then exit 0; fi
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
shell() { # FOLDER NAME CORE: a library that has the vendor's name and brings the core with it
    # shellcheck disable=SC2086
    "$cc" $flags -shared -Wl,-soname,"$2" -o "$1/$2" -L"$1" -Wl,--no-as-needed -l"$3" '-Wl,-rpath,$ORIGIN'
}
for release in head 2024; do
    head=1
    if [ "$release" = 2024 ]; then head=0; fi
    # The loader takes two libraries of one soname for the same, so each release has a core of its own name.
    core=heng_ascend_simulator_$release
    mkdir -p "$work/$release"
    # shellcheck disable=SC2086
    "$cc" $flags -DHENG_SIM_HEAD=$head -I"$here/include" -shared -Wl,-z,defs -Wl,-soname,"lib$core.so" \
        -o "$work/$release/lib$core.so" "$here"/src/*.c -lm -lrt
    for library in libascendcl.so libnnopbase.so; do shell "$work/$release" "$library" "$core"; done
    if [ "$release" = head ]; then
        for library in libacl_rt.so libopapi_nn.so libopapi_math.so libopapi_transformer.so libhccl.so libhcomm.so; do shell "$work/$release" "$library" "$core"; done
    else
        for library in libopapi.so libhccl.so; do shell "$work/$release" "$library" "$core"; done
    fi
    rm -rf "${out:?}/$release"
    mv "$work/$release" "$out/$release"
done
echo "$stamp" >"$out/stamp"
