# SPDX-License-Identifier: MPL-2.0
"""The same action again: at once, elsewhere, after a restart, after the agent
forgot, from a copy of it. It runs once, or says why it does not."""
import json
import shutil
import time

import faultlib
from miglib import wait_for
from pgplib import Key, SshKey
from spoollib import spooled
from takeoverlib import DONE, REPLAY_FLOOR, TOO_EARLY, WEIGHT, action_id, pack, since
from test_agent_once import (BUILD, NOT_TARGETED, REFUSED, Agent, document, envelope,  # noqa: F401
                             gpg, rfc3339)

SECONDS = 30
REPEATS = 12        # src/agent/store/spool.h


def once(attack, taken, doc, name="web1"):
    """It was run once (Attack.finish looks at all), and answered."""
    action = attack.allow(action_id(doc))
    taken.wait_said(action, name, DONE)
    attack.honest(name)
    assert sum(action.startswith(a) for a in attack.started(name)) == 1
    return action


def test_at_once(taken, attack):
    doc = taken.document(taken.tree)
    sig = taken.ann.sign(doc)
    for _ in range(5):
        taken.send(doc, sig)
    once(attack, taken, doc)


def test_on_two_topics_at_the_same_moment(taken, attack):
    doc = taken.document(taken.tree)
    sig = taken.ann.sign(doc)
    env = b"\x01" + pack(doc, [sig])
    n, of = taken.tap, f"mig/1/a/{taken.ids['web1']}/in"
    for _ in range(3):
        n.tell("mig/1/all", env)
        n.tell(of, env)
    once(attack, taken, doc)


def test_with_other_signatures(taken, attack):
    """Signed again, by others, by more, in another order: the same action."""
    doc = taken.document(taken.tree)
    ann, ben = taken.ann.sign(doc), taken.ben.sign(doc)
    taken.send(doc, ann)
    once(attack, taken, doc)
    for sigs in ((ben,), (ann, ben), (ben, ann), (taken.ann.sign(doc),), (taken.sam.sign(doc),)):
        taken.send(doc, *sigs)
        taken.send(doc, *sigs, to="web1")
    once(attack, taken, doc)


def test_after_a_restart(taken, attack):
    doc = taken.document(taken.tree)
    sig = taken.ann.sign(doc)
    taken.send(doc, sig)
    once(attack, taken, doc, "web2")
    agent = taken.platform.agents["web2"]
    attack.restarts = True
    for how in (agent.daemon.stop, agent.daemon.kill):
        how()
        taken.start_again("web2")
        taken.send(doc, sig)
        taken.send(doc, sig, to="web2")
        once(attack, taken, doc, "web2")


def test_two_actions_that_claim_one_name(taken, attack):
    """Name and nonce say nothing: an action is its bytes. Both run, each once,
    and what the one is said to have answered is not the other's."""
    same = {"name": "patch level", "nonce": "ab" * 16}
    one = taken.document(taken.tree, **same)
    two = taken.document(taken.tree, **same, description={"author": "x"})
    for doc in (one, two, one):
        taken.send(doc, taken.ann.sign(doc))
    ids = [once(attack, taken, d) for d in (one, two)]
    a, b = (taken.tap.answers[i, taken.ids["web1"]] for i in ids)
    assert a[4:36].hex() == ids[0] and b[4:36].hex() == ids[1]


def test_an_old_answer_for_a_new_question(taken, attack):
    """Acknowledged as stored when nobody has it: the agent keeps it, and says
    it again when it is asked again; it does not run again."""
    doc = taken.document(taken.tree)
    sig = taken.ann.sign(doc)
    action = action_id(doc)
    topic = f"mig/1/a/{taken.ids['web1']}/in"
    taken.send(doc, sig, to="web1")
    for _ in range(3):
        taken.tap.tell(topic, b"\x04" + bytes.fromhex(action) + b"\0\0\0\x01\x01")
    once(attack, taken, doc)
    first = taken.tap.answers[action, taken.ids["web1"]]
    n = len(taken.said(action, "web1"))
    taken.send(doc, sig, to="web1")
    wait_for("the same answer", lambda: len(taken.said(action, "web1")) > n)
    assert taken.tap.answers[action, taken.ids["web1"]] == first


def test_the_stored_answer_without_end(taken, attack):
    """Each time the agent looks at the whole answer before it says it again. A server that forgot
    is told a few times; who goes on is told later."""
    doc = taken.document(taken.tree)
    sig = taken.ann.sign(doc)
    taken.send(doc, sig, to="web1")
    action = once(attack, taken, doc)

    def times():
        return len(taken.said(action, "web1"))
    for _ in range(REPEATS):
        n = times()
        taken.send(doc, sig, to="web1")
        wait_for("the answer again", lambda n=n: times() > n)
        attack.honest()     # and its acknowledgement is there
    n = times()
    for _ in range(20):
        taken.send(doc, sig, to="web1")
        attack.honest()
    assert times() == n


# --- an agent whose own memory was changed, by the one shot -------------------

def lone(tmp_path, gpg):  # noqa: F811
    """An agent, and an action that it ran."""
    tmp_path.chmod(0o755)
    agent = Agent(tmp_path, gpg).install()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "needle").write_text("needle in\n")
    env = envelope(gpg, document(gpg, tmp_path / "data"))
    run, answer = agent.once(env)
    assert run.returncode == 0 and answer["status"] == "done", run.stderr
    run, answer = agent.once(env)
    assert run.returncode == REFUSED and answer["status"] == "known"
    time.sleep(1.1)     # signatures have whole seconds
    return agent, env


def test_after_the_journal_was_removed(tmp_path, gpg):  # noqa: F811
    agent, env = lone(tmp_path, gpg)
    (agent.where / "state" / "journal").unlink()
    assert agent.refused(env) == REPLAY_FLOOR


def test_after_the_journal_was_removed_signed_ahead(tmp_path, gpg):  # noqa: F811
    """By clocks that are ahead by as much as is allowed, theirs and so the agent's: what the
    signatures say lies behind the moment at which the journal begins anew."""
    tmp_path.chmod(0o755)
    ann, sam = Key(), SshKey()
    agent = Agent(tmp_path, People(ann=ann, sam=sam))
    agent.people = {"ann": 1, "sam": 1}
    agent.install(minimum=1)
    where = tmp_path / "data"
    where.mkdir()
    (where / "needle").write_text("needle in\n")
    doc, begins = document(gpg, where), int(time.time()) + 6
    other = document(gpg, where, validfrom=rfc3339(begins))
    envelopes = [pack(doc, [ann.sign(doc, hashed=ann.hashed(time.time() + 290))]),
                 pack(other, [sam.sign(other)])]
    for env in envelopes:       # honest ones run at once on a new agent
        run, answer = agent.once(env)
        assert run.returncode == 0 and answer["status"] == "done", run.stderr
    for env in envelopes:
        (agent.where / "state" / "journal").unlink()
        assert agent.run("init").returncode == 0
        wait_for("both to be valid", lambda: time.time() > begins)
        (agent.where / "state" / "record").unlink()
        assert agent.refused(env) == REPLAY_FLOOR
    (agent.where / "state" / "journal").unlink()
    assert agent.run("init").returncode == 0
    last = agent.report()[-1]["text"]
    assert "the journal before this is gone" in last and "what is signed before" in last


class People:
    """What an Agent wants to know of them."""

    def __init__(self, **keys):
        self.keys = keys

    def key(self, name):
        return self.keys[name].fpr.hex(), self.keys[name].line().strip()


def test_after_all_was_lost_with_a_fresh_signature(tmp_path, gpg):  # noqa: F811
    """Journal and record went: what ann and ben signed before stays refused, whoever signs it once
    more: somebody known who has no weight, with a key of either kind, or one of the two. Only
    who could ask alone can ask it anew."""
    tmp_path.chmod(0o755)
    ann, ben, cleo, rita, sam = Key(), Key(), Key(), Key(), SshKey()
    agent = Agent(tmp_path, People(ann=ann, ben=ben, cleo=cleo, rita=rita, sam=sam))
    agent.people = dict.fromkeys(agent.gpg.keys, 1)
    weights = {"ann": (ann, 1), "ben": (ben, 1), "cleo": (cleo, 2)}
    entry = {"minimumweight": 2, "investigators": {
        n: {"fingerprint": k.fpr.hex(), "weight": w} for n, (k, w) in weights.items()}}
    agent.install(acl={"default": entry})
    where = tmp_path / "data"
    where.mkdir()
    (where / "needle").write_text("needle in\n")
    time.sleep(1.1)     # signatures have whole seconds, and so has the journal's beginning

    def asked():
        doc = document(gpg, where)
        return doc, [ann.sign(doc), ben.sign(doc)]
    old = [asked() for _ in range(6)]
    for doc, sigs in old:
        run, answer = agent.once(pack(doc, sigs))
        assert run.returncode == 0 and answer["status"] == "done", run.stderr
    for path in (agent.where / "state").glob("spool/*"):
        path.unlink()
    for name in ("journal", "record"):
        (agent.where / "state" / name).unlink()
    time.sleep(1.1)
    assert "the journal before this is gone" in agent.run("init").stderr
    since(agent.where / "state", int(time.time()))   # as five minutes later
    again = [lambda doc, sigs: sigs,
             lambda doc, sigs: [*sigs, rita.sign(doc)],
             lambda doc, sigs: [rita.sign(doc), *sigs],
             lambda doc, sigs: [*sigs, sam.sign(doc)],
             lambda doc, sigs: [sigs[0], ben.sign(doc)]]
    for how, (doc, sigs) in zip(again, old):
        assert agent.refused(pack(doc, how(doc, sigs))) == REPLAY_FLOOR
        entry = [e for e in agent.report() if e["type"] == "asked"][-1]
        assert entry["type"] == "asked" and not entry["accepted"], entry
        assert "before this agent's journal begins: sign it again" in entry["detail"], entry
    doc = document(gpg, where)
    assert agent.refused(pack(doc, [ann.sign(doc), rita.sign(doc)])) == WEIGHT
    doc, sigs = old[-1]
    for env in (pack(*asked()), pack(doc, [*sigs, cleo.sign(doc)])):
        run, answer = agent.once(env)
        assert run.returncode == 0 and answer["status"] == "done", run.stderr
    accepted = [e["action"] for e in agent.report() if e["type"] == "asked" and e["accepted"]]
    assert len(accepted) == 2 and accepted[1] == action_id(doc)


def test_a_signature_that_does_not_count_moves_no_clock(tmp_path, gpg):  # noqa: F811
    """Four minutes ahead is taken; the agent would not be earlier than that any more, and take what
    is not valid yet."""
    tmp_path.chmod(0o755)
    ann, rita = Key(), Key()
    agent = Agent(tmp_path, People(ann=ann, rita=rita))
    agent.people = {"ann": 1, "rita": 1}
    since(agent.where / "state", int(time.time()) - 3600)
    agent.install(acl={"default": {"minimumweight": 1, "investigators": {
        "ann": {"fingerprint": ann.fpr.hex(), "weight": 1}}}})
    where = tmp_path / "data"
    where.mkdir()
    ahead = time.time() + 240

    def ask(doc, *sigs):
        return agent.once(pack(doc, sigs))[0].returncode
    later = [document(gpg, where, validfrom=rfc3339(time.time() + 200)) for _ in range(2)]
    doc = document(gpg, where)
    assert ask(doc, ann.sign(doc), rita.sign(doc, hashed=rita.hashed(ahead))) == 0
    assert agent.refused(pack(later[0], [ann.sign(later[0])])) == TOO_EARLY
    doc = document(gpg, where)
    assert ask(doc, ann.sign(doc, hashed=ann.hashed(ahead))) == 0
    assert ask(later[1], ann.sign(later[1])) == 0


def test_after_the_journal_was_cut(tmp_path, gpg):  # noqa: F811
    """Where its beginning is not whole, it does not count."""
    agent, env = lone(tmp_path, gpg)
    journal = agent.where / "state" / "journal"
    whole, ends = journal.read_bytes(), [16]
    while ends[-1] < len(whole):
        n = int.from_bytes(whole[ends[-1]:ends[-1] + 4], "big")
        ends.append(ends[-1] + 40 + n)
    assert ends[-1] == len(whole) and len(ends) > 3
    for cut in (0, 7, ends[1] - 3):
        journal.write_bytes(whole[:cut])
        run, answer = agent.once(env)
        assert run.returncode != 0, (cut, answer)
        assert answer["status"] in ("known", "refused"), (cut, answer)
        for p in journal.parent.glob("journal.damaged-*"):
            p.unlink()
    # behind its beginning it looks like one that a crash cut; the agent's own
    # record says what ran
    journal.write_bytes(whole[:ends[1]])
    for p in (journal.parent / "spool").iterdir():
        p.unlink()
    run, answer = agent.once(env)
    assert run.returncode != 0, answer
    assert answer["status"] in ("known", "refused"), answer
    asked = [e for e in agent.report() if e.get("action") == answer["action"] and
             e["type"] == "asked" and e["accepted"]]
    assert len(asked) == 1
    assert any("was cut" in e.get("text", "") for e in agent.report())


def test_after_the_journal_was_filled(tmp_path, gpg):  # noqa: F811
    agent, env = lone(tmp_path, gpg)
    journal = agent.where / "state" / "journal"
    whole = journal.read_bytes()
    for junk in (b"\0" * 5000, b"MIGREC3\n" + b"\0" * 5000, whole[:60] + b"x" + whole[61:],
                 whole[:16] + whole[16:] * 3):
        journal.write_bytes(junk)
        run, answer = agent.once(env)
        assert run.returncode != 0, answer
        assert answer["status"] in ("known", "refused"), answer


def test_from_a_restored_snapshot(tmp_path, gpg):  # noqa: F811
    """It cannot know what it did after the copy was made, but everybody sees
    that its record went back: what it signs stands at a position that it had
    already, with another head."""
    agent, _ = lone(tmp_path, gpg)
    env = envelope(gpg, document(gpg, tmp_path / "data"))
    state, copy = agent.where / "state", agent.where / "copy"
    shutil.copytree(state, copy)

    def run_it():
        run, answer = agent.once(env)
        assert run.returncode == 0, run.stderr
        data = spooled(state / "spool")[answer["action"]]
        at = data.index(bytes.fromhex(answer["action"]) + bytes.fromhex(agent.id))
        header = data[at - 4:]
        return header[148:156], header[156:188]
    first = run_it()
    shutil.rmtree(state)
    copy.rename(state)
    time.sleep(1.1)     # what was asked is recorded with whole seconds
    second = run_it()
    assert first[0] == second[0] and first[1] != second[1]
    assert len(agent.report()) > 0


def test_from_a_clone(tmp_path, gpg):  # noqa: F811
    """Its state on another machine: nothing runs there."""
    agent, env = lone(tmp_path, gpg)
    fresh = envelope(gpg, document(gpg, tmp_path / "data"))
    (agent.where / "state" / "machine").write_text("00" * 32 + "\n")
    for e in (env, fresh):
        run, _ = agent.once(e)
        assert run.returncode not in (0, REFUSED), run.stdout
    assert "enrol" in run.stderr, run.stderr


def test_what_was_refused_is_refused_for_good(tmp_path, gpg):  # noqa: F811
    agent, _ = lone(tmp_path, gpg)
    env = envelope(gpg, document(gpg, target="name = 'other'"))
    assert agent.refused(env) == NOT_TARGETED
    conf = agent.conf.read_text()
    agent.conf.write_text(conf.replace("test.example.org", "other"))
    run, answer = agent.once(env)
    assert run.returncode == REFUSED and answer["status"] == "known", answer
    entries = [json.dumps(e) for e in agent.report() if e["type"] == "asked"]
    assert sum(answer["action"] in e for e in entries) == 1


# --- the clock ----------------------------------------------------------------

def test_after_the_clock_went_forth_and_back(tmp_path, gpg, monkeypatch):  # noqa: F811
    """Hours ahead what ended may be forgotten, a year back nothing is known to have been: it runs
    neither there nor when the clock is right again."""
    agent, env = lone(tmp_path, gpg)
    monkeypatch.setattr("test_agent_once.AGENT", BUILD / "tests" / "fault" / "mig-agent")
    fault = faultlib.Control(tmp_path / "clock")
    monkeypatch.setenv("MIG_FAULT", str(fault.path))

    def replayed():
        run, answer = agent.once(env)
        assert run.returncode == REFUSED, (run.stdout, run.stderr)
        assert answer["status"] in ("known", "refused"), answer
    for ahead in (4 * 3600, -3600, -86400, 0, 30 * 3600, -365 * 86400, 0):
        fault.clock(ahead)
        replayed()
        now = time.time() + ahead       # another one, which may push it out of the journal
        agent.once(envelope(gpg, document(gpg, tmp_path / "data", validfrom=rfc3339(now - 60),
                                          expireafter=rfc3339(now + 600))))
        replayed()
    asked = [e for e in agent.report() if e["type"] == "asked" and e["accepted"]]
    assert len({e["action"] for e in asked}) == len(asked)
