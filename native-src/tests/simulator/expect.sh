#!/bin/sh
# Runs a planted bug and looks for every given text in its output, whatever its exit status is. Death
# by a signal is what some detectors end with, and ctest would take it for a failure.
#
#   expect.sh TEXT... -- PROGRAM ARGUMENT...
# With the text "silence" the program has to succeed without a report.
texts=$(mktemp) || exit 2
output=$(mktemp) || exit 2
trap 'rm -f "$texts" "$output"' EXIT
while [ "$1" != -- ]; do
  printf '%s\n' "$1" >>"$texts"
  shift
done
shift

"$@" >"$output" 2>&1
status=$?
cat "$output"

if [ "$(cat "$texts")" = silence ]; then
  if [ $status -ne 0 ] || grep -q -e 'Sanitizer' -e 'runtime error' -e 'simulator:' "$output"; then
    echo "FAILED: expected success without a report, exit status $status"
    exit 1
  fi
  exit 0
fi
missing=0
while IFS= read -r text; do
  if ! grep -q -e "$text" "$output"; then
    echo "FAILED: the output lacks: $text"
    missing=1
  fi
done <"$texts"
exit $missing
