#!/bin/sh
# What Maven runs: builds the kernels for the targets in HENG_CUDA_TARGETS (see build.sh for the default) into FOLDER.
# Without nvcc it says what that means and succeeds: the backend then compiles its kernels by NVRTC, or reports them as missing.
# sources.txt lists the sources, which are packaged for that.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
(cd "$here" && ls src/*.cu src/*.cuh src/*.h prefill/*.cu prefill/*.cuh) >"$1/sources.txt"
status=0
# shellcheck disable=SC2086
sh "$here/build.sh" "$1" ${HENG_CUDA_TARGETS:-} || status=$?
if [ "$status" -eq 3 ]; then
    echo "heng: no CUDA compiler ('${NVCC:-nvcc}') was found, so the CUDA kernels are not built; backend 'cuda' will need libnvrtc." >&2
    echo "heng: install the CUDA toolkit 12.4 or later, put nvcc on the PATH and build again. Everything else works without it." >&2
elif [ "$status" -ne 0 ]; then
    exit "$status"
fi
