#!/bin/sh
# From an empty folder to a vendor's first report: copies the example backend into an empty Maven project, builds it, runs the suite by its one-line JUnit
# class, and prints how long that took and how many lines of Java it needed beyond the backend's own code.
# Usage: examples/first-report.sh [EMPTY-FOLDER]; wants Heng's modules in the local Maven repository ('mvn -DskipTests install' puts them there).
# MAVEN_ARGS are passed on, for example -o.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-$(mktemp -d)}
if [ -n "$(ls -A "$work" 2>/dev/null)" ]; then
    printf 'first-report: %s is not empty\n  remedy: name an empty folder, or none\n' "$work" >&2
    exit 2
fi
mkdir -p "$work"
begin=$(date +%s)

cp "$here/vendor-backend/pom.xml" "$work/"
cp -r "$here/vendor-backend/src" "$work/"
# The suite is red as long as mandatory operators are missing, and the report is what is wanted.
(cd "$work" && mvn -B -q ${MAVEN_ARGS:-} -Dmaven.test.failure.ignore=true test >"$work/build.log" 2>&1) || {
    tail -n 20 "$work/build.log" >&2
    exit 1
}

report=$work/target/parity/acme
[ -f "$report/parity.html" ] || {
    tail -n 20 "$work/build.log" >&2
    printf 'first-report: no report was written\n' >&2
    exit 1
}
end=$(date +%s)
lines=$(cat "$work"/src/test/java/com/acme/heng/*.java | grep -c '[^[:space:]]')
own=$(cat "$work"/src/main/java/com/acme/heng/*.java | grep -c '[^[:space:]]')
sed -n 's/^| \([A-Z]*\) | \([0-9]*\) |$/\1 \2/p' "$report/parity.md" | grep -v ' 0$'
printf 'report: %s\n' "$report/parity.html"
printf 'seconds: %d\nlines of Java beyond the backend: %d\nlines of the backend: %d\n' $((end - begin)) "$lines" "$own"
