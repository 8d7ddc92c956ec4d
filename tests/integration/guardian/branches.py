#!/usr/bin/python3
"""Runs the guardian's tests on the build with counters and faults, and fails unless
  - each branch of main.cpp and wire/guardian.h was taken (gcov), but for CANNOT_HAPPEN;
  - each function of libc that main.cpp uses stands in faults.py, and each place that calls one of those that can fail was
    refused once by test_faults.py.
XSVD, FAKE_ENGINE and GUARDIAN_OBJECT (main.cpp's object file, beside its .gcno) come from CMake."""
import collections
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import faults
import test_faults
import test_guardian

XSVD, OBJECT = os.environ["XSVD"], os.environ["GUARDIAN_OBJECT"]
SOURCES = ("src/guardian/main.cpp", "src/wire/guardian.h")
SIDE_BY_SIDE = 4  # the tests wait more than they work

# Source text -> (branches that are not taken there, why).
CANNOT_HAPPEN = {
    "if (argc < 1) return 2;": (1, "since 5.18 the kernel gives an empty name to whom nobody gave one"),
}
# These take seconds, and the clock of test_faults.py shows the same at once.
SLOW = ("five_crashes", "a_stopped_engine", "does_not_answer", "can_be_switched_off", "blames_nobody", "small_and_idle")


def tests(suite):
    for test in suite:
        yield from tests(test) if isinstance(test, unittest.TestSuite) else [test.id()]


def run(test):
    return test, subprocess.run([sys.executable, "-B", "-m", "unittest", test], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, cwd=os.path.dirname(os.path.abspath(__file__)))


def run_all(names):
    """What they printed; and those that failed."""
    said, failed = [], []
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as workers:
        for name, done in workers.map(run, names):
            said += done.stdout.splitlines()
            if done.returncode != 0 or "libgcov" in done.stdout:
                failed.append("%s failed:\n%s" % (name, done.stdout))
    return said, failed


def output_of(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def unknown_calls():
    used = {line.split()[-1] for line in output_of("nm", "-u", OBJECT).splitlines()}
    own = {name for name in used if name.startswith("__gcov_")}
    return ["main.cpp uses %s(): faults.cpp and faults.py do not know it" % name
            for name in sorted(used - own - faults.CANNOT_FAIL - set(faults.ERRORS))]


def places_in_object():
    """{(name, line): number of calls}."""
    places, line = collections.Counter(), 0
    for text in output_of("objdump", "-drl", OBJECT).splitlines():
        if match := re.search(r"(?:main\.cpp|guardian\.h):(\d+)", text):
            line = int(match[1])
        match = re.search(r"\bR_\w+\s+(\w+)", text)
        if match and match[1] in faults.ERRORS:
            places[match[1], line] += 1
    return places


def places_that_failed(said):
    """The same, of the places the tests say they have tried."""
    places = {}
    for text in said:
        if match := re.fullmatch(r"place (0x[0-9a-f]+) (\w+)", text):
            places[match[1]] = match[2]
    before = [hex(int(address, 16) - 1) for address in places]  # the call, not what it returns to
    lines = output_of("addr2line", "-e", XSVD, *before).split("\n")
    return collections.Counter((name, int(re.search(r":(\d+)", line)[1])) for name, line in zip(places.values(), lines))


def calls_never_refused(said):
    missing = places_in_object() - places_that_failed(said)
    return ["line %d: %s() never failed in test_faults.py" % (line, name) for name, line in sorted(missing, key=lambda at: at[1])]


def counted(folder):
    """(source, line number, text, branches, how many of them were taken) of each line that has branches."""
    data = glob.glob(folder + "/**/*.gcda", recursive=True)
    assert len(data) == 1, data
    shutil.copy(re.sub(r"\.o$", ".gcno", OBJECT), re.sub(r"\.gcda$", ".gcno", data[0]))
    report = json.loads(output_of("gcov", "-b", "-c", "-t", "--json-format", data[0]))
    for file in report["files"]:
        if not file["file"].endswith(SOURCES):
            continue
        with open(os.path.join(report["current_working_directory"], file["file"])) as source:
            texts = source.read().splitlines()
        for line in file["lines"]:
            where = (os.path.basename(file["file"]), line["line_number"], texts[line["line_number"] - 1].strip())
            taken = [branch["count"] > 0 for branch in line["branches"] if not branch["throw"]]
            yield where, len(taken) or 1, sum(taken) if taken else min(1, line["count"])


def branches_not_taken(folder):
    faults_found, excused, all_branches, all_taken = [], set(), 0, 0
    for (file, number, text), branches, taken in counted(folder):
        all_branches, all_taken = all_branches + branches, all_taken + taken
        if text in CANNOT_HAPPEN and branches - taken <= CANNOT_HAPPEN[text][0]:
            excused.add(text) if branches > taken else None
            all_taken += branches - taken
        elif branches > taken:
            faults_found.append("%s:%d: %d of %d branches taken: %s" % (file, number, taken, branches, text))
    faults_found += ["CANNOT_HAPPEN, but it does, or is gone: " + text for text in CANNOT_HAPPEN if text not in excused]
    print("the guardian: %d of %d branches and lines taken, %d of them only on paper" % (
        all_taken, all_branches, sum(CANNOT_HAPPEN[text][0] for text in excused)))
    return faults_found


def main():
    folder = tempfile.mkdtemp(prefix="xsvd-branches-")
    os.environ.update(XSVD_COUNTED="1", GCOV_PREFIX=folder)
    try:
        loader = unittest.TestLoader()
        names = list(tests(loader.loadTestsFromModule(test_faults))) + list(tests(loader.loadTestsFromModule(test_guardian)))
        said, failures = run_all([name for name in names if not any(slow in name for slow in SLOW)])
        failures += unknown_calls() + calls_never_refused(said) + branches_not_taken(folder)
    finally:
        shutil.rmtree(folder)
    print("\n".join(failures))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
