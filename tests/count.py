#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Counts test cases in the logs of meson (with cmocka inside) and pytest.

usage: count.py meson TESTLOG.json | count.py junit REPORT.xml
Prints "passed failed skipped".
"""
import json
import re
import sys
import xml.etree.ElementTree as ElementTree


def cmocka_counts(text):
    """(passed, failed, skipped) that cmocka printed; None without a summary."""
    def total(word):
        found = re.findall(r"\[  %s +\] (\d+) test\(s\)" % word, text)
        return sum(int(n) for n in found)

    if "[==========]" not in text:
        return None
    return total("PASSED"), total("FAILED"), total("SKIPPED")


def count_meson(path):
    passed = failed = skipped = 0
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            test = json.loads(line)
            text = (test.get("stdout") or "") + (test.get("stderr") or "")
            good = test["result"] in ("OK", "EXPECTEDFAIL")
            if test["result"] == "SKIP":
                skipped += 1
                continue
            cases = cmocka_counts(text) or (0, 0, 0)
            passed += cases[0]
            failed += cases[1]
            skipped += cases[2]
            # a program without cmocka is one case; one that broke is a failure
            # even when every case it came to was fine
            if good and sum(cases) == 0:
                passed += 1
            elif not good and cases[1] == 0:
                failed += 1
    return passed, failed, skipped


def count_junit(path):
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed += 1
        elif "skipped" in kinds:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main():
    kind, path = sys.argv[1:]
    counts = {"meson": count_meson, "junit": count_junit}[kind](path)
    print(*counts)


if __name__ == "__main__":
    main()
