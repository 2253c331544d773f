#!/usr/bin/env bash
# Makes a bundle of Tessera for Linux on x64 that brings .NET along and takes libtorch from where it runs.
#
#     eng/bundle.sh [OUT.tar.xz]        (default: artifacts/tessera-linux-x64.tar.xz)
#
# It runs where a Python installation of PyTorch is and no .NET. A folder, not a single file: the loader finds the native libraries
# beside the program, nothing is unpacked at start-up, and the archive is smaller. Not trimmed: options and reports are (de)serialised by
# reflection, which trimming breaks.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$(realpath -m "${1:-$root/artifacts/tessera-linux-x64.tar.xz}")
limit=61000000 # bytes: 45 MB of program, and 16 MB for weights, which do not compress

# A build folder of its own: restoring for another runtime would undo the everyday build's.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dotnet publish "$root/src/Tessera.Cli" -c Release -r linux-x64 --self-contained -p:TesseraLibTorch=none \
  -p:PublishReadyToRun=true --artifacts-path "$work/build" -o "$work/tessera" -v quiet --nologo

mv "$work/tessera/Tessera.Cli" "$work/tessera/tessera"
rm -f "$work"/tessera/*.xml # documentation for compilers
cp "$root/LICENSE" "$work/tessera/"
find "$work/tessera" -type f -exec chmod 644 {} +
chmod 755 "$work/tessera/tessera" "$work/tessera/createdump"
if [ ! -f "$work/tessera/libLibTorchSharp.so" ]; then
  echo "bundle.sh: libLibTorchSharp.so, TorchSharp's native half, is not in what was published." >&2
  exit 1
fi

models=$(cd "$work/tessera/models" && ls | sed -n 's/\.safetensors$//p' | paste -sd ' ')

mkdir -p "$(dirname "$out")"
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner -c tessera | xz -T0 > "$work/bundle.tar.xz"
size=$(stat -c %s "$work/bundle.tar.xz")
if [ "$size" -gt "$limit" ]; then
  echo "bundle.sh: the bundle has $size bytes, more than $limit." >&2
  exit 1
fi
mv "$work/bundle.tar.xz" "$out"
cat <<END
$out: $((size / 1000000)).$((size / 100000 % 10)) MB, $(du -sm "$work/tessera" | cut -f1) MB unpacked
models that ship with it: ${models:-none}

To run it:
  tar -xJf $(basename "$out")
  export TESSERA_LIBTORCH=\$(python3 -c 'import torch, os; print(os.path.join(os.path.dirname(torch.__file__), "lib"))')
  tessera/tessera pretrain --device auto
END
