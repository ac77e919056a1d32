#!/usr/bin/env bash
# Measures and tests the CUDA backend on this machine: ceilings, correctness, stage table, whole models, and
# what others reach here. Every step writes its own file into the results folder as it goes; summary.txt says
# how each ended and what was predicted. Ends within 9 minutes and succeeds only if every step did.
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

services=
! $rehearsal || services=$here/rehearsal-services:
java=("$here/runtime/bin/java" -Xmx4g -cp "$services$here/classes:$here/jars/*"
  "-Dreformer.native.install=$here/native" "-Dorg.bytedeco.javacpp.cachedir=$results/javacpp-cache")
if $rehearsal; then
  export RF_BENCH_REHEARSAL=1
  programs=$here/native/rehearsal
  prefix=
  suffix=_simulated
  # The simulated kernels bring their own runtime; only Java needs the stand-ins.
  backend=simulated
  java=(env "LD_LIBRARY_PATH=$here/native/fakecuda" "LD_PRELOAD=$here/native/fakecuda/libcudart.so.13"
    "${java[@]}" -Dreformer.fakecuda=true)
else
  programs=$here/native/card
  prefix=card_
  suffix=
  backend=cuda
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

# All tests that the build runs over simulated kernels; whole models take too long there, so a rehearsal
# leaves them out.
tests() {
  local classes=() names=(kernels.CudaFailureTest kernels.CudaGemmTest kernels.CudaMemoryTest kernels.CudaOperationsTest
    kernels.CudaRecordingTest tests.RecordingTest
    tests.KernelFixedPointTest tests.KernelFormulaTest tests.KernelGradientTest tests.KernelHashTest
    tests.KernelTableTest tests.KernelTypesTest tests.GoldenBucketsTest)
  $rehearsal || names+=(tests.KernelBfloat16Test tests.GoldenModelTest model.GoldenLayerTest tests.GoldenReversibleTest
    tests.HuggingFaceAttentionTest tests.AttentionTest tests.OptimizerKernelsTest tests.ModelGradientTest
    tests.KernelContractTest tests.DecodeAttentionTest tests.DecodeCacheTest tests.DecodeRecordingTest
    tests.StoreRowsTest tests.LshDecodeListsTest tests.GoldenDecodingTest
    tests.AttentionTypesTest tests.CausalSelectionTest tests.ExactReversibilityTest tests.LshHashingTest
    tests.ModelProofsTest)
  for name in "${names[@]}"; do
    classes+=(--select-class "org.reformer4j.$name")
  done
  "${java[@]}" org.junit.platform.console.ConsoleLauncher execute --disable-banner --fail-if-no-tests \
    --details=summary "${classes[@]}"
}

# model NAME LIMIT_S ARGUMENTS...: reformer benchmark, which ends by itself before the limit. A rehearsal runs the
# first one and the decoding in a tiny size, and lets the others only read their arguments.
model() {
  local name=$1 limit=$2
  shift 2
  if $rehearsal; then
    case $name in
      04-* | 08-*)
        set -- "${@:1:2}" --hidden 16 --heads 2 --head-size 8 --ff 32 --layers 2 --chunk 8 --lengths 32 \
          --hashes 2 --contexts 16 --decode-tokens 6 --depths 2 --repeats 1
        ;;
      *) set -- "$@" --help ;;
    esac
  fi
  step "$name" "$limit" "${java[@]}" org.reformer4j.cli.Main benchmark --backend "$backend" --edge "$edge" \
    --seconds $((limit > 15 ? limit - 10 : limit)) --out "$results/$name" "$@"
}

# Predictions beside what was measured. A figure that is missing says so.
predictions() {
  local name predicted file key shape measured
  echo "| what | predicted | measured |"
  echo "|---|---|---|"
  while IFS=$'\t' read -r name predicted file key shape; do
    measured=
    if [ -f "$results/$file" ]; then
      if [ "$shape" = - ]; then
        measured=$(awk -v key="$key" '$1 == key { print $2; exit }' "$results/$file")
      elif [ "$key" = decode ]; then
        measured=$(awk -v shape="$shape" '$1 == "decode" && $2 == shape { print $3 " ms"; exit }' "$results/$file")
      else
        measured=$(awk -F ' *[|] *' -v key="$key" -v shape="$shape" \
          '$2 == key && index($3 " ", shape " ") == 1 { print $4 " ms"; exit }' "$results/$file")
      fi
    fi
    echo "| $name | $predicted | ${measured:-not measured} |"
  done <"$here/predictions.tsv"
}

# A function of this script as a program for bash, with the variables it needs.
program_of() {
  declare -p java rehearsal
  declare -f "$1"
  echo "$1"
}

edge=0
! $rehearsal || edge=32

# In the order of their value: what the clock cuts off comes last.
main() {
  local test name
  step 00-machine 20 bash -c "$(program_of machine)"
  step 01-ceilings 40 "$programs/ceilings$suffix"
  copy=$(sed -n 's/^copy_GBps \([0-9.]*\).*/\1/p' "$results/01-ceilings.txt")
  for test in "$programs/${prefix}"*_test; do
    name=$(basename "$test")
    name=${name#card_}
    step "02-kernels-${name%_test}" 25 "$test"
  done
  # Ends by itself before the limit, with the lines of the most value first.
  step 03-stages 75 "$programs/stages$suffix" "${copy:-3000}" 60
  model 04-model-1024 70 --what forward,train --hidden 1024 --heads 8 --head-size 128 --layers 12 --repeats 5 \
    --lengths 4K,16K,64K,256K,1M --hashes 1,4
  step 05-gemm 30 "${java[@]}" org.reformer4j.kernels.GemmBenchmark
  step 06-java-tests 120 bash -c "$(program_of tests)"
  model 07-model-512 45 --what forward,train --hidden 512 --heads 8 --head-size 64 --layers 12 --repeats 5 \
    --lengths 4K,16K,64K,256K,1M --hashes 1,4
  model 08-decoding 25 --what decode --hidden 512 --heads 8 --head-size 64 --layers 12 --contexts 1K,4K,16K \
    --decode-tokens 256
  model 08-decoding-issued 20 --what decode --hidden 512 --heads 8 --head-size 64 --layers 12 --contexts 1K,4K,16K \
    --decode-tokens 256 --no-recordings
  model 09-model-24-layers 40 --what train --hidden 1024 --heads 8 --head-size 128 --layers 24 --repeats 1 \
    --lengths 1M --hashes 1
  step 10-peers 90 python3 "$here/peers.py" 75
  if ! $rehearsal && command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck; do
      step "11-$tool" 60 env RF_TEST_SMALL=1 compute-sanitizer --tool $tool --error-exitcode 1 \
        "$programs/card_lsh_test"
    done
  fi
}
main
echo
cat "$results"/01-ceilings.txt "$results"/03-stages.txt "$results"/0[4-9]-*.txt "$results"/10-peers.txt
echo
predictions | tee -a "$results/summary.txt"
exit $failed
