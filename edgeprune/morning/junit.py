"""The morning as JUnit XML, which every CI reads: a test case a job, and one a regression.

Source: the format as Jenkins' xUnit schema has it (junit-10.xsd): failures for what was measured
and is wrong, errors for what could not be measured.
"""

from __future__ import annotations

from xml.etree import ElementTree

from edgeprune.morning.data import Morning
from edgeprune.text.untrusted import printable


def junit(morning: Morning) -> str:
    """The whole file; characters that XML has not are replaced."""
    suite = ElementTree.Element("testsuite", name=printable(morning.night))
    failures = errors = 0
    for job in morning.jobs:
        name = printable(f"{job.model_path} {job.recipe} on {job.device or job.board}")
        case = ElementTree.SubElement(suite, "testcase", classname=f"{job.kind} {job.board}")
        case.set("name", name)
        if job.state == "done":
            continue
        is_failure = job.error_kind == "test"
        failures, errors = failures + is_failure, errors + (not is_failure)
        fault = ElementTree.SubElement(case, "failure" if is_failure else "error")
        fault.set("type", job.error_kind or job.state)
        fault.set("message", printable(job.message or f"the job is {job.state}"))
    for change in morning.regressions:
        case = ElementTree.SubElement(suite, "testcase", classname=f"change {change.board}")
        case.set("name", printable(f"{change.model_path} {change.metric} on {change.device}"))
        fault = ElementTree.SubElement(case, "failure", type="regression")
        fault.set("message", printable(f"{change.percent:+.1f}%; {'; '.join(change.reasons)}"))
        failures += 1
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failures))
    suite.set("errors", str(errors))
    suite.set("timestamp", morning.began_utc)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
