"""Runs the tests of the named modules or classes side by side and says how long each took: they spend their time waiting for
Supervisor's rhythm of one second. They must share nothing. By hand, one at a time, "python3 -m unittest" does the same."""

import concurrent.futures
import os
import sys
import time
import unittest

WIDTH = int(os.environ.get("XSV_WIDTH", "8"))


def tests_of(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from tests_of(each)
        else:
            yield each


def run(test):
    result = unittest.TestResult()
    begun = time.monotonic()
    test.run(result)
    return test, result, time.monotonic() - begun


def expected_length(test):
    return getattr(getattr(test, test._testMethodName, None), "length", 0)


def main():
    tests = list(tests_of(unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])))
    tests.sort(key=expected_length, reverse=True)
    for case in {type(test) for test in tests}:
        case.setUpClass()
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(WIDTH) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run, test) for test in tests]):
            test, result, seconds = done.result()
            problems = result.errors + result.failures
            failed += bool(problems)
            print(f"{'FAILED' if problems else 'ok':6} {seconds:6.1f} s  {test.id()}", flush=True)
            for where, text in problems:
                print(f"--- {where}\n{text}", flush=True)
    print(f"{len(tests)} tests, {failed} failed")
    return 1 if failed or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
