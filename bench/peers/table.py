#!/usr/bin/env python3
"""Reads the JSON objects that run.sh or gpu.sh left in a folder, and prints the table of Tessera beside the peer.

    python3 table.py FOLDER

Files are named WHO-MODEL-PLACEMENT-WHAT[-VARIANT].json: WHO is tessera or peer, WHAT is step or endToEnd for the peer.
"""
import json
import pathlib
import sys

VARIANTS = ["eager", "fused", "compiled", "bf16", "compiled-bf16"]


def last_object(path):
    """The last line of a file that is a JSON object, or None: a program that failed left none."""
    for line in reversed(path.read_text(encoding="utf-8", errors="replace").splitlines()):
        if line.startswith("{"):
            try:
                return json.loads(line)
            except ValueError:
                return None
    return None


def tessera_images_per_second(report):
    """What `tessera bench --json` says: images/s of the step alone and end to end. Adapt this when its report changes."""
    def median(*path):
        value = report
        for key in (*path, "median"):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    return {"step": median("step", "imagesPerSecond"), "endToEnd": median("loader", "endToEnd")}


def cell(tessera, peer):
    if peer is None:
        return "—"
    return f"{peer:,.0f}" + (f" (× {tessera / peer:.2f})" if tessera else "")


def peer_variant(report, asked):
    """The peer's figure, or None where this PyTorch has not what the variant asks for."""
    if report is None or ("compiled" in asked and not report["compile"]):
        return None
    return report["imagesPerSecond"]["median"]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    peers = {tuple(f.stem.split("-", 1)): last_object(f) for f in sorted(folder.glob("peer-*.json"))}
    some = next((r for r in peers.values() if r), None)
    if some is None:
        sys.exit(f"table: no report of the peer is in {folder}.")
    print(f"{some['device']}, {some['threads']} threads, batch {some['batchSize']}, {some['imageSize']} pixels, "
          f"{some['patchSize']} x {some['patchSize']} patches, {some['maskRatio']:.0%} hidden; peer: PyTorch {some['torch']}, "
          f"Python {some['python']}, matrix products at {some['matrixProductGigaflops']:,.0f} GFLOP/s.")
    for note in sorted({note for report in peers.values() if report for note in report["fallbacks"]}):
        print(f"- The peer's {note}.")
    print("\nImages/s; in brackets, how many times that Tessera does.\n")
    print("| model | placement | what | Tessera | " + " | ".join(f"peer, {v}" for v in VARIANTS) + " |")
    print("|---|---|---|" + "---:|" * (1 + len(VARIANTS)))
    for file in sorted(folder.glob("tessera-*.json")):
        name, _, placement = file.stem[len("tessera-"):].rpartition("-")
        speeds = tessera_images_per_second(last_object(file) or {})
        for what, label in (("step", "step alone"), ("endToEnd", "end to end")):
            row = [peer_variant(peers.get(("peer", f"{name}-{placement}-{what}-{variant}")), variant) for variant in VARIANTS]
            own = speeds[what]
            print(f"| {name} | {placement} | {label} | {f'{own:,.0f}' if own else '—'} | " + " | ".join(cell(own, p) for p in row) + " |")


if __name__ == "__main__":
    main()
