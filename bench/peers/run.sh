#!/usr/bin/env bash
# Runs the peer and `tessera bench` on this machine in turn, and prints a table of both.
#
#     bench/peers/run.sh FOLDER [OUT]
#
# FOLDER holds pictures (JPEGs in any depth of folders); OUT receives the JSON reports (default: a new temporary folder).
# By environment: TESSERA (the command; default: the build of this clone), PYTHON (default: python3), MODELS, PLACEMENTS, VARIANTS,
# BATCH_SIZE (128), IMAGE_SIZE (64), WORKERS (one a core), DEVICE (cpu or cuda; default: auto), PEER_OPTIONS and TESSERA_OPTIONS
# (added to each command, for example PEER_OPTIONS="--rounds 3 --steps 5").
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 1 ] && [ -d "$1" ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
pictures=$1 out=${2:-$(mktemp -d)}
mkdir -p "$out"
python=${PYTHON:-python3} batch=${BATCH_SIZE:-128} size=${IMAGE_SIZE:-64} workers=${WORKERS:-$(nproc)}
device=${DEVICE:-$("$python" -c 'import torch; print("cuda" if torch.cuda.is_available() else "cpu")')}
# What this PyTorch lacks need not be timed twice over, and bf16 is for GPUs: an old PyTorch takes minutes a step with it on a CPU.
variants=${VARIANTS:-$("$python" -c 'import sys, torch
names = ["eager", "fused"] + ["compiled"] * hasattr(torch, "compile")
print(*names, *(["bf16"] + ["compiled-bf16"] * hasattr(torch, "compile")) * (sys.argv[1] != "cpu"))' "$device")}
if [ -z "${TESSERA:-}" ]; then
  dotnet build "$here/../../src/Tessera.Cli" -c Release -v quiet --nologo >&2
  TESSERA="$here/../../artifacts/bin/Tessera.Cli/release/Tessera.Cli"
fi

declare -A switches=([eager]="" [fused]="--fused" [compiled]="--fused --compile" [bf16]="--fused --bf16" [compiled-bf16]="--fused --compile --bf16")
# A variant that fails here (no compiler, say) is told and leaves a gap in the table; the others go on.
try() {
  local file=$1
  shift
  echo "$*" >&2
  "$@" >"$file" || echo "run.sh: that failed; the table has a gap there." >&2
}

for model in ${MODELS:-vit-tiny vit-small}; do
  for placement in ${PLACEMENTS:-decoder encoder}; do
    common=(--model "$model" --placement "$placement" --batch-size "$batch" --image-size "$size" --device "$device")
    # shellcheck disable=SC2086 # words of options are meant to be split
    try "$out/tessera-$model-$placement.json" $TESSERA bench --objective pixels --data "$pictures" "${common[@]}" --json ${TESSERA_OPTIONS:-}
    for variant in $variants; do
      # shellcheck disable=SC2086
      try "$out/peer-$model-$placement-step-$variant.json" \
        "$python" "$here/peer.py" --step-only "${common[@]}" ${switches[$variant]} ${PEER_OPTIONS:-}
      # shellcheck disable=SC2086
      try "$out/peer-$model-$placement-endToEnd-$variant.json" \
        "$python" "$here/peer.py" --data "$pictures" --workers "$workers" "${common[@]}" ${switches[$variant]} ${PEER_OPTIONS:-}
    done
  done
done
echo "Reports: $out" >&2
"$python" "$here/table.py" "$out" | tee "$out/table.md"
