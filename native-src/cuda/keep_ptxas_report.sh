#!/bin/sh
# Runs a compiler; what ptxas says of registers, spills and shared memory goes to OBJECT.ptxas, the rest of
# the messages to stderr as usual.
object=
previous=
for argument in "$@"; do
  [ "$previous" = -o ] && object=$argument
  previous=$argument
done
if [ -z "$object" ]; then
  exec "$@"
fi
"$@" 2>"$object.messages"
status=$?
report='^ptxas info|^ +[0-9]+ bytes stack frame|^Remark: '
grep -E "$report" "$object.messages" >"$object.ptxas"
grep -vE "$report" "$object.messages" >&2
rm -f "$object.messages"
exit $status
