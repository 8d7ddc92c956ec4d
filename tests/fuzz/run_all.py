#!/usr/bin/python3
"""Runs every fuzz target for some seconds, one after the other, and prints what each of them did.

Usage: run_all.py [--seconds N] [--only NAME,…] FOLDER-OF-THE-TARGETS CORPUS-FOLDER

Inputs are at most 4 KiB; one that takes longer than 5 s or 512 MB is a finding. New inputs are thrown away, findings are kept in
the folder findings beside the targets. The exit code is 1 where there was one."""
import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROW = "{:<14}{:>8}{:>12}{:>10}{:>10}{:>10}{:>8}  {}"


def last_number(pattern, text):
    found = re.findall(pattern, text)
    return found[-1] if found else "-"


def fuzz(target, corpus, seconds, findings):
    with tempfile.TemporaryDirectory() as new:
        done = subprocess.run(
            [target, f"-max_total_time={seconds}", "-timeout=5", "-rss_limit_mb=512", "-max_len=4096", "-print_final_stats=1",
             f"-artifact_prefix={findings}/{corpus.name}-", new, corpus], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    text = done.stderr.decode(errors="replace")
    counts = [last_number(pattern, text) for pattern in (r"stat::number_of_executed_units:\s+(\d+)", r"stat::average_exec_per_sec:\s+(\d+)",
                                                         r"cov: (\d+)", r"ft: (\d+)", r"stat::peak_rss_mb:\s+(\d+)")]
    finding = re.search(r"Test unit written to (\S+)", text)
    verdict = "none" if done.returncode == 0 else finding.group(1) if finding else f"exit {done.returncode}"
    if done.returncode != 0:
        print(text[-6000:], file=sys.stderr)
    return counts, verdict


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--only", default="", help="names of targets, separated by commas")
    parser.add_argument("folder", type=Path)
    parser.add_argument("corpus", type=Path)
    options = parser.parse_args()
    findings = options.folder.resolve() / "findings"
    findings.mkdir(exist_ok=True)
    wanted = options.only.split(",") if options.only else sorted(path.name for path in options.corpus.iterdir())
    print(ROW.format("target", "inputs", "executions", "each s", "coverage", "features", "MB", "findings"), flush=True)
    bad = 0
    for name in wanted:
        corpus = options.corpus / name
        counts, verdict = fuzz(options.folder.resolve() / f"fuzz_{name}", corpus, options.seconds, findings)
        print(ROW.format(name, len(list(corpus.iterdir())), *counts, verdict), flush=True)
        bad += verdict != "none"
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
