# SPDX-License-Identifier: MPL-2.0
"""Every point in the sources is used by a test, and every point a test names
is in the sources. TESTED says which file of tests has it."""
import collections
import pathlib

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
        nets.dump nets.receive
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
    "test_alloc_commands.py": """
        restore.put_in user.look_up
    """,
    "test_server_store.py": """
        sqlite.lock sqlite.read sqlite.shm_map sqlite.sync sqlite.write
    """,
}


def test_every_point_is_tested():
    tested = {name for names in TESTED.values() for name in names.split()}
    assert tested == set(faultlib.points())


def test_the_table_is_true():
    """The name stands in that file of tests."""
    for name, points in TESTED.items():
        text = (HERE / name).read_text()
        for point in points.split():
            assert f'"{point}"' in text, f"{point} is not in {name}"


def test_each_name_stands_once():
    names = collections.Counter()
    for path in (faultlib.ROOT / "src").rglob("*.c"):
        names.update(n for _, n in
                     faultlib.POINT.findall(path.read_text()))
    assert not {n for n, times in names.items() if times > 1}
