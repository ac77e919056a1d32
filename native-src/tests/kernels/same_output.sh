#!/bin/sh
# Runs a test program twice and in three orders of threads; what it prints, with a digest of all results, must be
# the same each time.
expected=
for order in forward forward reverse random; do
  output=$(RF_TEST_SMALL=1 SIM_ORDER=$order SIM_SEED=11 "$1") || exit 1
  echo "$order: $output"
  case $output in
    *digest*) ;;
    *) echo "no digest"; exit 1 ;;
  esac
  if [ -n "$expected" ] && [ "$output" != "$expected" ]; then
    echo "differs"
    exit 1
  fi
  expected=$output
done
