# SPDX-License-Identifier: MPL-2.0
"""memory's two processes die on the way: the one that looks, and the one that
opens for it. The operation fails or says what it could not look at, it is never
taken for "not found", and the next question is answered in whole."""
import json

import pytest

from faultlib import wait_for

QUESTION = ["-name", "^/nowhere/nothing$", "--json"]


def ask(fleet, agent, check):
    p = fleet.mig("memory", "-t", f"name = '{agent.name}'", *QUESTION,
                  check=check)
    lines = [json.loads(line) for line in p.stdout.splitlines()]
    return next(x for x in lines if x.get("name") == agent.name)


@pytest.mark.parametrize("point", ["memory.listing", "opener.serving"])
def test_one_dies(fleet, point):
    agent = next(iter(fleet.agents.values()))
    agent.fault.forget()
    fault = agent.fault.kill("mig-worker", point)
    part = ask(fleet, agent, 3)["operations"][0]
    wait_for("the fault", lambda: fault.fired)
    assert not part.get("success") and (part.get("error") or part["errors"])
    # other agents of this host are not looked into: 3, and not failed
    part = ask(fleet, agent, 3)["operations"][0]
    assert part["status"] == "done" and part["success"] and not part["foundanything"]
