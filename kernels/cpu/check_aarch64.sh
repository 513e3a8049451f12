#!/bin/sh
# Checks the AArch64 library on a machine that is none, under qemu-user: builds it, runs test_cpu.c at every level, and then, if ROOT is given, heng's
# conformance suite at smoke level with each level forced.
#
# Usage: check_aarch64.sh TARGET [ROOT JAR]
#   TARGET  folder for what is built
#   ROOT    a system root for AArch64 that holds a JDK 25 in usr/lib/jvm (Debian: the packages openjdk-25-jre-headless, libc6, zlib1g, libstdc++6 and libgcc-s1
#           of architecture arm64, unpacked there by dpkg -x; links to /etc must point into ROOT)
#   JAR     heng-cli.jar beside its lib folder
# Needs qemu-aarch64 and aarch64-linux-gnu-gcc (Debian: qemu-user, gcc-aarch64-linux-gnu). The suite takes minutes for each level.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=$1
folder=$target/linux-aarch64
CC=aarch64-linux-gnu-gcc sh "$here/build.sh" "$folder" aarch64
if [ $# -lt 3 ]; then
    aarch64-linux-gnu-gcc -std=gnu11 -O2 -Wall -Wextra -I"$here/include" "$here/test/test_cpu.c" -o "$folder/test_cpu" -L"$folder" -lheng_cpu -lm \
        -Wl,-rpath,"$folder"
    exec qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu "$folder/test_cpu"
fi
root=$2
jar=$3
java=$(find "$root/usr/lib/jvm" -path '*/bin/java' | head -n 1)
for level in ${LEVELS:-scalar neon neon-dotprod neon-i8mm neon-bf16 vector}; do
    # The second compiler costs more under emulation than it saves in runs this short.
    HENG_CPU_LEVEL=$level qemu-aarch64 -cpu max -L "$root" "$java" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx2g --add-modules jdk.incubator.vector \
        --enable-native-access=ALL-UNNAMED -Dheng.kernels.cpu.library="$folder/libheng_cpu.so" -jar "$jar" parity --backend cpu --level smoke
done
