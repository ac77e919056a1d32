#!/bin/sh
# The library exports the functions of the C ABI and nothing else.
symbols=$(nm -D --defined-only "$1" | awk '{print $3}')
[ -n "$symbols" ] || exit 1
other=$(printf '%s\n' "$symbols" | grep -v '^rf_')
[ -z "$other" ] && exit 0
printf 'exported, but not of the C ABI:\n%s\n' "$other"
exit 1
