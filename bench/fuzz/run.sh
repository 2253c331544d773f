#!/usr/bin/env bash
# Coverage-guided mutation of a reader's files, with AFL++ and SharpFuzz:
#     bench/fuzz/run.sh READER[,READER...] SECONDS        (READER: a name of bench/mutations/Readers.cs)
# Each reader has so many seconds, shared out among the kinds of files that it reads. Exit code 1: a reader broke a promise; what did it lies in artifacts/fuzz.
# BUILD=no takes the program as it was built before.
set -euo pipefail
readers=${1:?which reader} seconds=${2:?for how long}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
command -v afl-fuzz > /dev/null || { echo "run.sh: afl-fuzz is missing: apt-get install afl++" >&2; exit 2; }
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

[ "${BUILD:-yes}" = no ] || dotnet build "$root/bench/mutations" -c Release -v quiet --nologo > /dev/null
built=$root/artifacts/bin/Mutations/release
program=$root/artifacts/fuzz/program
rm -rf "$program" && mkdir -p "$program"
for file in "$built"/*; do # folders hold libtorch and its like: large, not instrumented, and left where they are
  if [ -d "$file" ]; then ln -s "$file" "$program/"; else cp "$file" "$program/"; fi
done
dotnet "$built/Tessera.Mutations.dll" fuzz instrument "$program"
fuzz=(dotnet "$program/Tessera.Mutations.dll" fuzz)

# AFL looks at the program's start, the processor and its cores for what is not so here; making a sound file shorter takes longer than such a run has.
# A file that takes 20 s counts as a hang.
export AFL_SKIP_BIN_CHECK=1 AFL_NO_UI=1 AFL_NO_AFFINITY=1 AFL_SKIP_CPUFREQ=1 AFL_DISABLE_TRIM=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_FORKSRV_INIT_TMOUT=120000
status=0
for reader in ${readers//,/ }; do
  work=$root/artifacts/fuzz/$reader
  rm -rf "$work" && mkdir -p "$work/found" "$work/read"
  export TMPDIR=$work/read # AFL ends the program without a word, which then leaves what it read
  "${fuzz[@]}" seeds "$reader" "$work/seeds"
  kinds=$(ls "$work/seeds" | wc -l)
  for ((kind = 0; kind < kinds; kind++)); do
    found=$work/found/$kind/default
    if ! afl-fuzz -i "$work/seeds/$kind" -o "$work/found/$kind" -m none -t 20000 -V $((seconds / kinds)) -- \
      "${fuzz[@]}" run "$reader" "$kind" > "$work/afl-$kind.log" 2>&1; then
      tail -20 "$work/afl-$kind.log" >&2
      exit 2
    fi
    fact() { awk -v name="$1" '$1 == name { print $3 }' "$found/fuzzer_stats"; }
    echo "$reader, $(ls "$work/seeds/$kind"): $(fact run_time) s, $(fact execs_done) executions, $(fact corpus_count) files that reach something new," \
      "$(fact saved_crashes) crashes, $(fact saved_hangs) hangs"
    find "$found/crashes" "$found/hangs" -name 'id:*' -print0 > "$work/suspects"
    if [ -s "$work/suspects" ]; then
      status=1
      xargs -0 "${fuzz[@]}" replay "$reader" "$kind" < "$work/suspects" || true
    fi
  done
done
exit "$status"
