/* SPDX-License-Identifier: MPL-2.0 */
/* mig-agent init and policy: what an administrator of this endpoint does by
 * hand. A policy is read by the sandboxed roles, not here. */
#include "agent/monitor/monitor.h"
#include "agent/monitor/once.h"
#include "agent/store/ownrecord.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/hex.h"
#include "proc/proc.h"
#include "record/record.h"

#include <event2/event.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_LIMIT 30

static int
fail(struct agent *a, const struct err *e)
{
	fprintf(stderr, "mig-agent: %s\n", e->msg);
	agent_close(a);
	return 1;
}

int
init_main(const char *conf_path)
{
	struct agent a;
	struct err e;

	err_clear(&e);
	if (agent_open(&a, MODE_CHECK, conf_path, &e) != 0)
		return fail(&a, &e);
	printf("agent %s\nstate %s\n", id_hex(&a.state.who.id).s, a.conf.state);
	agent_close(&a);
	return 0;
}

static void
roles_failed(struct agent *a, const char *role, const char *why)
{
	err_set(a->hook, ERR_INVALID, "%s does not start: %s", role, why);
	a->exit_code = 1;
	proc_loop_stop(a->loop);
}

static void
roles_ready(struct agent *a)
{
	a->exit_code = 0;
	proc_loop_stop(a->loop);
}

int
agent_try_roles(struct agent *a, struct err *e)
{
	struct timeval limit = { .tv_sec = START_LIMIT };
	int rc;

	a->on_ready = roles_ready;
	a->on_failed = roles_failed;
	a->hook = e;
	a->exit_code = 1;
	rc = agent_start_roles(a, e);
	if (rc != 0)
		return rc;
	/* else nothing would end it when they do not come */
	if (event_base_loopexit(a->base, &limit) != 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	(void)proc_loop_run(a->loop);
	a->hook = NULL;
	if (a->exit_code != 0 && e->code == 0)
		err_set(e, ERR_TIMEOUT,
		    "verify and judge did not start in %d s", START_LIMIT);
	return a->exit_code != 0 ? e->code : 0;
}

/* An installed policy is only followed by a newer one. */
static int
check_newer(struct agent *a, struct err *e)
{
	struct buf old;
	struct policy was;
	int rc;

	buf_init(&old, POLICY_MAX);
	rc = state_policy_read(&a->state, &old, e);
	/* a damaged one says nothing, and is to be replaced */
	if (rc == ERR_NOTFOUND || rc == ERR_INVALID) {
		err_clear(e);
		buf_release(&old);
		return 0;
	}
	/* the installed one has been judged before it was put there */
	if (rc == 0 && policy_parse(old.data, old.len, &was, NULL) == 0 &&
	    was.version > a->policy.version)
		rc = err_set(e, ERR_DENIED,
		    "version %" PRIu64 " is older than the installed version "
		    "%" PRIu64 ", which stays (to go back nevertheless: "
		    "mig-agent policy --force FILE)",
		    a->policy.version, was.version);
	buf_release(&old);
	return rc;
}

/* The one that verify and judge have started with. */
static int
install_policy(struct agent *a, bool force, struct err *e)
{
	const struct buf *text = a->policy_text;
	const struct id_hex hash = id_hex(&a->policy_hash);
	char note[NOTE_MAX];
	int rc = force ? 0 : check_newer(a, e);

	if (rc == 0)
		rc = state_policy_write(&a->state, text->data, text->len, e);
	fault_point("policy.written");
	if (rc != 0)
		return rc;
	snprintf(note, sizeof(note),
	    "policy version %" PRIu64 " installed by hand, hash %s",
	    a->policy.version, hash.s);
	rc = own_add_note(a->record, clock_wall_ms(), note, e);
	printf("policy version %" PRIu64 " %s\n", a->policy.version, hash.s);
	return rc;
}

int
policy_main(const char *conf_path, const char *file, bool force)
{
	struct buf text;
	struct err e;
	int rc;

	err_clear(&e);
	buf_init(&text, POLICY_MAX);
	rc = file_read(file, &text, &e);
	if (rc == 0)
		rc = policy_put(conf_path, file, &text, force);
	else
		fprintf(stderr, "mig-agent: %s\n", e.msg);
	buf_release(&text);
	return rc == 0 ? 0 : 1;
}

int
policy_put(
    const char *conf_path, const char *name, const struct buf *text, bool force)
{
	struct agent a;
	struct err e;
	int rc;

	err_clear(&e);
	rc = agent_open(&a, MODE_CHECK, conf_path, &e);
	if (rc == 0) {
		a.policy_path = name;
		a.policy_text = text;
		rc = agent_try_roles(&a, &e);
	}
	if (rc == 0)
		rc = install_policy(&a, force, &e);
	if (rc != 0)
		return fail(&a, &e);
	agent_close(&a);
	return 0;
}
