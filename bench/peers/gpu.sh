#!/usr/bin/env bash
# On a GPU machine with PyTorch and no .NET: smoke test, tessera bench, the peer. Reports go to $OUT. Run from the root of the repository:
#     eng/bundle.sh .gpu/tessera.tar.xz        (beforehand, where .NET is)
#     OUT=reports bench/peers/gpu.sh [FOLDER]  (a folder of pictures: end to end too)
# MODELS and PLACEMENTS (words, by environment) cut it into shorter runs; table.py reads whatever lies in $OUT.
set -uo pipefail
: "${OUT:?names the folder for reports}"
bin=$(mktemp -d)
tar -xJf .gpu/*.tar.xz -C "$bin" --strip-components=1 || exit 1
TESSERA_LIBTORCH=$(python3 -c 'import torch,os;print(os.path.join(os.path.dirname(torch.__file__),"lib"))')
export TESSERA_LIBTORCH PATH=$bin:$PATH
mkdir -p "$OUT" && nvidia-smi > "$OUT/nvidia-smi.txt"
tessera pretrain --data shapes:2000 --device cuda --epochs 1 --batch-size 128 --out "$OUT/smoke" --json > "$OUT/smoke.json" 2> "$OUT/smoke.log"
echo "smoke: $?"; tail -3 "$OUT/smoke.log"
for model in ${MODELS:-vit-tiny vit-small}; do for placement in ${PLACEMENTS:-decoder encoder}; do
  common="--model $model --placement $placement --batch-size ${BATCH_SIZE:-512} --device cuda" name=$model-$placement
  tessera bench --objective pixels $common ${1:+--data "$1"} --json > "$OUT/tessera-$name.json" 2> "$OUT/tessera-$name.log" || tail -1 "$OUT/tessera-$name.log"
  for v in "eager:" "fused:--fused" "compiled:--fused --compile" "bf16:--fused --bf16" "compiled-bf16:--fused --compile --bf16"; do
    peer="python3 bench/peers/peer.py $common ${v#*:} --seconds 2"
    $peer --step-only > "$OUT/peer-$name-step-${v%%:*}.json" 2> "$OUT/peer.log" || tail -1 "$OUT/peer.log"
    [ $# -eq 0 ] || $peer --data "$1" > "$OUT/peer-$name-endToEnd-${v%%:*}.json" 2> "$OUT/peer.log" || tail -1 "$OUT/peer.log"
  done
done; done
python3 bench/peers/table.py "$OUT" | tee "$OUT/table.md"
