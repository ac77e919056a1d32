#!/usr/bin/env bash
# Measures and tests the CUDA backend on this machine: ceilings, correctness, stage table. Every step writes
# its own file into the results folder as it goes; summary.txt says how each ended. Ends within 9 minutes and
# succeeds only if every step did.
#
#   run.sh [--rehearsal] [RESULTS]
#
#   --rehearsal   over simulated kernels and stand-ins for NVIDIA's libraries, on any machine
#   RESULTS       folder for the results (default: results beside this script)
set -uo pipefail

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
rehearsal=false
if [ "${1:-}" = --rehearsal ]; then
  rehearsal=true
  shift
fi
results=$(realpath -m "${1:-$here/results}")
mkdir -p "$results"
: >"$results/summary.txt"
failed=0
deadline=$((SECONDS + 520))

# step NAME LIMIT_S COMMAND...
step() {
  local name=$1 limit=$2 start=$SECONDS left status
  shift 2
  left=$((deadline - SECONDS))
  if [ $left -lt 5 ]; then
    echo "$name: not run: no time left" | tee -a "$results/summary.txt"
    failed=1
    return 1
  fi
  [ "$limit" -le $left ] || limit=$left
  timeout --kill-after=5 "$limit" "$@" >"$results/$name.txt" 2>&1
  status=$?
  if [ $status -eq 0 ]; then
    echo "$name: passed in $((SECONDS - start)) s" | tee -a "$results/summary.txt"
  else
    echo "$name: FAILED with status $status after $((SECONDS - start)) s" | tee -a "$results/summary.txt"
    tail -n 15 "$results/$name.txt" | sed 's/^/    /'
    failed=1
  fi
  return $status
}

# Folders with CUDA 13's libraries: of the system, of a toolkit, of Python packages.
library_folders() {
  local python
  python=$(python3 -c 'import site; print(" ".join(site.getsitepackages()))' 2>/dev/null || true)
  for name in libcudart.so.13 libcublasLt.so.13 libcublas.so.13; do
    # shellcheck disable=SC2086 # several folders
    find -L /usr/local/cuda/lib64 /usr/local/cuda-13*/lib64 /usr/lib/x86_64-linux-gnu \
      $python /usr/local/lib/python3*/dist-packages /opt -maxdepth 6 -name "$name" \
      -printf '%h\n' 2>/dev/null | head -n 1
  done | sort -u | paste -sd:
}

java=("$here/runtime/bin/java" -Xmx4g -cp "$here/classes:$here/jars/*"
  "-Dreformer.native.install=$here/native" "-Dorg.bytedeco.javacpp.cachedir=$results/javacpp-cache")
if $rehearsal; then
  export RF_BENCH_REHEARSAL=1
  programs=$here/native/rehearsal
  prefix=
  suffix=_simulated
  # The simulated kernels bring their own runtime; only Java needs the stand-ins.
  java=(env "LD_LIBRARY_PATH=$here/native/fakecuda" "LD_PRELOAD=$here/native/fakecuda/libcudart.so.13"
    "${java[@]}" -Dreformer.fakecuda=true)
else
  programs=$here/native/card
  prefix=card_
  suffix=
  java+=(-Dreformer.tests.require=cuda)
  folders=$(library_folders)
  export LD_LIBRARY_PATH=$folders${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi

machine() {
  uname -a
  "${java[@]}" -version
  echo "LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}"
  if ! $rehearsal; then
    nvidia-smi
  fi
}

tests() {
  local classes=()
  for name in cuda.CudaFailureTest cuda.CudaGemmTest cuda.CudaMemoryTest cuda.CudaOperationsTest \
    tests.KernelFixedPointTest tests.KernelFormulaTest tests.KernelGradientTest tests.KernelHashTest \
    tests.KernelTableTest tests.KernelTypesTest tests.GoldenBucketsTest; do
    classes+=(--select-class "org.reformer4j.$name")
  done
  "${java[@]}" org.junit.platform.console.ConsoleLauncher execute --disable-banner --fail-if-no-tests \
    --details=summary "${classes[@]}"
}

# A function of this script as a program for bash, with the variables it needs.
program_of() {
  declare -p java rehearsal
  declare -f "$1"
  echo "$1"
}

# In the order of their value: what the clock cuts off comes last.
main() {
  step 00-machine 30 bash -c "$(program_of machine)"
  step 01-ceilings 90 "$programs/ceilings$suffix"
  copy=$(sed -n 's/^copy_GBps \([0-9.]*\).*/\1/p' "$results/01-ceilings.txt")
  for test in memory residual layer_norm lsh attention activation training; do
    step "02-kernels-$test" 60 "$programs/${prefix}${test}_test"
  done
  step 03-java-tests 150 bash -c "$(program_of tests)"
  step 04-gemm 60 "${java[@]}" org.reformer4j.cuda.GemmBenchmark
  step 05-stages 120 "$programs/stages$suffix" "${copy:-3000}"
  if ! $rehearsal && command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck; do
      step "06-$tool" 60 env RF_TEST_SMALL=1 compute-sanitizer --tool $tool --error-exitcode 1 \
        "$programs/card_lsh_test"
    done
  fi
}
main
echo
cat "$results/01-ceilings.txt" "$results/04-gemm.txt" "$results/05-stages.txt"
exit $failed
