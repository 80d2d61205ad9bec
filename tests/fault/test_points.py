# SPDX-License-Identifier: MPL-2.0
"""Every point in the sources is used by a test, and every point a test names
is in the sources. TESTED says which file of tests has it, ONLY_LONG which of
them ./dev check leaves to ./dev check long."""
import collections
import importlib
import pathlib
import types

import faultlib

HERE = pathlib.Path(__file__).resolve().parent

TESTED = {
    "test_framework.py": """
        file.open file.rename file.renamed file.sync file.sync_dir file.write
    """,
    "test_agent_kill.py": """
        answer.recorded answer.sealed answer.spooled answer.staged
        chain.in_force chain.judged chain.received chain.recorded
        chain.verified chain.written core.policy_stored
        exam.hashed exam.judge_asked exam.judged exam.received exam.recorded
        exam.refused exam.verified exam.verify_asked
        job.spawned job.worker_ended
        journal.accepting journal.document journal.judged journal.state
        journal.state_written journal.synced
        judge.asked judge.judged judge.sandboxed judge.step
        net.ack net.connected net.envelope net.hello net.part net.sandboxed
        net.welcome netlink.ack netlink.hello
        recover.begun recover.settling
        sender.ack_journalled sender.acknowledged sender.sent
        small.written state.policy_hash
        verify.asked verify.checked verify.sandboxed verify.trying
        worker.answered worker.entered worker.limited worker.looked
        worker.ordered worker.walking
    """,
    "test_agent_cancel.py": """
        cancel.remembered
    """,
    "test_memory_dies.py": """
        memory.listing opener.serving
    """,
    "test_netstat_changes.py": """
        nets.dump nets.meet nets.receive
    """,
    "test_sshkey_memory.py": """
        sshkey.file
    """,
    "test_pkg_changes.py": """
        pkg.package pkg.updates_listed
    """,
    "test_agent_disk.py": """
        record.sync record.write small.open small.read small.sync
        small.write
        spool.read spool.rename spool.renamed spool.sync
    """,
    "test_agent_enrol.py": """
        enrol.answered enrol.asked enrol.begun enrol.filed
        enrolling.answered enrolling.key policy.written
    """,
    "test_agent_compact.py": """
        journal.compacting record.rename record.rewrite
    """,
    "test_server_kill.py": """
        api.action api.asked api.reply api.stream
        ca.asked ca.signed
        core.action_published core.action_put core.action_received
        core.action_replied core.action_stored core.action_verified
        core.answer_acked core.answer_checked core.answer_part
        core.answer_stored core.part_acked
        core.cancel_published core.cancel_stored core.cancel_verified
        core.enrol_checked core.enrol_signed core.enrol_stored
        core.hello core.hello_stored
        core.nonce core.session_checked core.session_stored
        file.append
        mig.answer mig.followed mig.login mig.opened mig.posted mig.remembered
        mig.signed mig.trusted
        parent.restart parent.started
        writer.commit writer.committed
    """,
    "test_pull.py": """
        core.pull_sent net.pull_part
    """,
    "test_alloc_server.py": """
        core.policy_received
    """,
    "test_alloc_commands.py": """
        backup.made restore.put_in user.look_up
    """,
    "test_server_certificates.py": """
        ca.revoked
    """,
    "test_server_store.py": """
        sqlite.lock sqlite.read sqlite.shm_map sqlite.sync sqlite.write
    """,
}


# A step next to them is fired in each check.
ONLY_LONG = """
    api.asked api.reply core.action_published core.action_replied
    core.action_verified core.answer_acked core.answer_checked core.answer_part
    core.cancel_published core.hello_stored enrol.asked enrol.filed
    parent.started policy.written spool.rename spool.renamed spool.sync writer.committed
"""


def texts(value):
    """All strings in what a test is given, or in its code."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, types.CodeType):
        return texts(value.co_consts)
    if isinstance(value, dict):
        return texts([*value.keys(), *value.values()])
    if isinstance(value, (tuple, list, set, frozenset)):
        return {x for v in value for x in texts(v)}
    return set()


def named_by(module, function, seen):
    """The strings in it, in the tables that it names and in what it calls in its file."""
    if function in seen or not isinstance(function, types.FunctionType):
        return set()
    seen.add(function)
    code = function.__code__
    ret = texts(code)
    for name in {*code.co_names, *code.co_varnames[:code.co_argcount]}:
        there = vars(module).get(name)
        there = getattr(getattr(there, "__pytest_wrapped__", there), "obj", there)
        ret |= named_by(module, there, seen) if callable(there) else texts(there)
    return ret


def is_long(marks):
    return any(m.name == "long" for m in marks)


def fired(file, long):
    """The points that tests of this file fire; without those that take minutes, unless long."""
    module, ret = importlib.import_module(file.removesuffix(".py")), set()
    marks = getattr(module, "pytestmark", [])
    if is_long(marks if isinstance(marks, list) else [marks]) and not long:
        return ret
    for name, function in vars(module).items():
        marks = getattr(function, "pytestmark", [])
        if not name.startswith("test_") or (is_long(marks) and not long):
            continue
        ret |= named_by(module, function, set())
        for m in marks:
            if m.name == "parametrize":
                ret |= texts([getattr(v, "values", v) for v in m.args[1]
                              if long or not is_long(getattr(v, "marks", ()))])
    return ret & set(faultlib.points())


def test_every_point_is_tested():
    tested = {name for names in TESTED.values() for name in names.split()}
    assert tested == set(faultlib.points())


def test_the_table_is_true():
    """A test in that file fires it."""
    for name, points in TESTED.items():
        assert not set(points.split()) - fired(name, True), name


def test_what_is_left_to_the_long_ones():
    each = {point for file in HERE.glob("test_*.py") if file.name != "test_points.py"
            for point in fired(file.name, False)}
    left = set(faultlib.points()) - each
    assert left == set(ONLY_LONG.split()), f"{len(left)} of {len(faultlib.points())}: {sorted(left)}"


def test_each_name_stands_once():
    names = collections.Counter()
    for path in (faultlib.ROOT / "src").rglob("*.c"):
        names.update(n for _, n in
                     faultlib.POINT.findall(path.read_text()))
    assert not {n for n, times in names.items() if times > 1}
