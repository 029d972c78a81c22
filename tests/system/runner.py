"""Runs a test file's unittest cases and ends with the line that the test runner counts."""
import sys
import unittest


def main():
    result = unittest.main(module="__main__", exit=False, verbosity=2).result
    bad = len(result.failures) + len(result.errors)
    passed = max(result.testsRun - bad - len(result.skipped), 0)  # each subtest that fails is counted, those that pass are not
    print(f"{passed} passed, {bad} failed")
    sys.exit(1 if bad or not result.testsRun else 0)
