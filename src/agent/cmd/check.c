/* SPDX-License-Identifier: MPL-2.0 */
/*
 * mig-agent check: what this agent is, may do, and is held by. It only reads,
 * so it works beside a running agent and leaves no trace: verify and judge
 * are started on the installed policy and ended again.
 */
#include "agent/cmd/checkout.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/once.h"
#include "agent/store/journal.h"
#include "agent/store/journal_file.h"
#include "agent/store/spool.h"
#include "base/clock.h"
#include "base/err.h"
#include "proc/proc.h"
#include "record/record.h"
#include "sandbox/sandbox.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* An action of the largest size, and an answer. */
#define ROOM_LEAST (2u << 20)

struct check {
	struct agent a;
	struct checkout out;
};

static void
problem(struct check *c, struct err *e)
{
	checkout_problem(&c->out, e);
}

/* --- the state ------------------------------------------------------------ */

static void
check_state(struct check *c, bool running)
{
	struct agent *a = &c->a;
	struct stat st;
	struct err e;

	err_clear(&e);
	checkout_say(&c->out, "state", "%s", a->conf.state);
	if (stat(a->conf.state, &st) == 0 && (st.st_mode & 077) != 0) {
		err_set(&e, ERR_DENIED,
		    "%s: mode %04o lets others in; it should be 0700",
		    a->conf.state, (unsigned int)st.st_mode & 07777);
		problem(c, &e);
	}
	if (state_owned(a->conf.state, &e) != 0) {
		problem(c, &e);
		err_clear(&e);
	}
	checkout_say(&c->out, "running", "%s", running ? "yes" : "no");
	if (state_identity(&a->state, &e) == 0) {
		checkout_say(
		    &c->out, "agent", "%s", id_hex(&a->state.who.id).s);
		return;
	}
	checkout_say(&c->out, "agent", "none");
	if (e.code == ERR_NOTFOUND)
		err_set(&e, ERR_NOTFOUND,
		    "%s: this agent has no identity yet: run 'mig-agent "
		    "enrol' (or 'mig-agent init')",
		    a->conf.state);
	problem(c, &e);
}

static void
check_relay(struct check *c)
{
	struct agent *a = &c->a;
	struct buf b;
	const char *text;

	if (a->conf.relay != NULL) {
		checkout_say(
		    &c->out, "relay", "%s (configuration)", a->conf.relay);
		return;
	}
	buf_init(&b, 512);
	if (state_read(&a->state, "relay", &b, NULL) == 0 &&
	    (text = buf_str(&b)) != NULL)
		checkout_say(&c->out, "relay", "%.*s (enrolment)",
		    (int)strcspn(text, "\n"), text);
	else
		checkout_say(&c->out, "relay", "none: not enrolled");
	buf_release(&b);
}

/* What one enrolment brings: all of it or, before, nothing. */
static void
check_enrolment(struct check *c)
{
	static const char *const names[] = { "agent.crt", "agent.key", "ca.crt",
		"relay" };
	const size_t all = sizeof(names) / sizeof(names[0]);
	const char *missing = NULL;
	char path[PATH_MAX];
	size_t i, n = 0;
	struct stat st;
	struct err e;

	err_clear(&e);
	for (i = 0; i < all; i++) {
		state_path(&c->a.state, names[i], path);
		if (stat(path, &st) != 0) {
			missing = names[i];
			continue;
		}
		n++;
		if (strcmp(names[i], "agent.key") != 0 ||
		    (st.st_mode & 077) == 0)
			continue;
		err_set(&e, ERR_DENIED,
		    "%s: mode %04o lets others read the connection's key; 0600 "
		    "is expected (chmod 600, and enrol anew if it was read)",
		    path, (unsigned int)st.st_mode & 07777);
		problem(c, &e);
	}
	if (missing == NULL)
		checkrelay(&c->out, &c->a);
	if (n == 0 || missing == NULL)
		return;
	err_set(&e, ERR_NOTFOUND, "%s/%s is missing: run 'mig-agent enrol'",
	    c->a.conf.state, missing);
	problem(c, &e);
}

struct counted {
	uint64_t n;
	int64_t begins; /* of a journal */
};

static int
count_entry(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	struct counted *c = arg;
	struct rd r;

	c->n = position;
	if (position > 1 || type != ENTRY_EPOCH)
		return 0;
	rd_init(&r, data, len);
	c->begins = (int64_t)rd_u64(&r);
	return 0;
}

static void
check_beginning(struct check *c, int64_t begins)
{
	char when[RFC3339_LEN + 1];
	struct err e;

	if (begins <= clock_wall_ms() / 1000 + JOURNAL_BEGIN_SLACK)
		return;
	err_clear(&e);
	rfc3339_format(begins, when);
	err_set(&e, ERR_INVALID,
	    "the journal begins %s: what is signed before that time is "
	    "refused: " JOURNAL_BEGIN_DO,
	    when);
	problem(c, &e);
}

/* What takes nothing has every action refused. */
static void
check_disk(struct check *c)
{
	const char *dir = c->a.conf.state;
	struct statvfs fs;
	struct err e;
	uint64_t room;

	if (statvfs(dir, &fs) != 0)
		return;
	err_clear(&e);
	/* what is kept for root is there for root */
	room =
	    (uint64_t)(geteuid() == 0 ? fs.f_bfree : fs.f_bavail) * fs.f_frsize;
	checkout_say(&c->out, "disk", "%" PRIu64 " MB free", room >> 20);
	if ((fs.f_flag & ST_RDONLY) != 0)
		err_set(&e, ERR_DENIED,
		    "%s is on a read-only file system: mount it so that it "
		    "takes writes",
		    dir);
	else if (room < ROOM_LEAST || (fs.f_files > 0 && fs.f_ffree == 0))
		err_set(&e, ERR_FULL,
		    "%s: its file system is full (%" PRIu64 " bytes, %" PRIu64
		    " files left): actions are refused until there is room",
		    dir, room, (uint64_t)fs.f_ffree);
	if (e.code != 0)
		problem(c, &e);
}

static void
check_files(struct check *c)
{
	static const char *const names[] = { "journal", "record" };
	char path[PATH_MAX];
	struct err e;
	struct counted n;
	size_t i;
	int rc;

	err_clear(&e);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		state_path(&c->a.state, names[i], path);
		n = (struct counted){ 0 };
		rc = record_scan(path, count_entry, &n, &e);
		if (rc != 0 && rc != ERR_NOTFOUND)
			problem(c, &e);
		else
			checkout_say(
			    &c->out, names[i], "%" PRIu64 " entries", n.n);
		err_clear(&e);
		if (i == 0)
			check_beginning(c, n.begins);
	}
	state_path(&c->a.state, "spool", path);
	checkout_say(&c->out, "spool", "%zu answers", spool_count(path));
}

/* --- roles and policy ----------------------------------------------------- */

static void
check_policy(struct check *c)
{
	const struct agent *a = &c->a;
	bool over = a->policy.expires <= clock_wall_ms() / 1000;
	char issued[RFC3339_LEN + 1], expires[RFC3339_LEN + 1];
	struct err e;

	err_clear(&e);
	rfc3339_format(a->policy.issued, issued);
	rfc3339_format(a->policy.expires, expires);
	checkout_say(&c->out, "policy version", "%" PRIu64 " %s",
	    a->policy.version, id_hex(&a->policy_hash).s);
	checkout_say(&c->out, "policy issued", "%s expires %s%s", issued,
	    expires, over ? " (EXPIRED)" : "");
	if (a->policy.issued > clock_wall_ms() / 1000 + JOURNAL_BEGIN_SLACK) {
		err_set(&e, ERR_INVALID,
		    "the policy was issued %s, which is in the future: is this "
		    "host's clock right?",
		    issued);
		problem(c, &e);
	}
	if (over) {
		err_set(&e, ERR_DENIED,
		    "the policy has expired: every action is refused until "
		    "the next one comes over the platform ('mig policy "
		    "edit'), or by hand with 'mig-agent policy FILE'");
		problem(c, &e);
	}
}

static int
open_quietly(
    struct check *c, const char *conf_path, bool *ret_running, struct err *e)
{
	struct agent *a = &c->a;
	uid_t uid;
	gid_t gid;
	int rc;

	a->mode = MODE_CHECK;
	a->state.lock = -1;
	a->uid = a->gid = (uint32_t)-1;
	rc = agent_conf_load(conf_path, &a->conf, e);
	if (rc == 0 && geteuid() == 0) {
		rc = agent_conf_user(&a->conf, &uid, &gid, e);
		a->uid = rc == 0 ? uid : a->uid;
		a->gid = rc == 0 ? gid : a->gid;
	}
	if (rc != 0)
		return rc;
	rc = state_look(a->conf.state, &a->state, ret_running, e);
	if (rc == ERR_NOTFOUND)
		err_set(e, rc,
		    "%s is not there: run 'mig-agent enrol' (or 'mig-agent "
		    "init')",
		    a->conf.state);
	return rc;
}

static void
check_roles(struct check *c)
{
	struct agent *a = &c->a;
	char worker[PATH_MAX];
	struct err e;

	err_clear(&e);
	if (proc_sibling("mig-worker", worker, sizeof(worker), &e) != 0)
		problem(c, &e);
	a->loop = proc_loop_new(NULL, NULL);
	if (a->loop == NULL) {
		err_code(&e, ERR_NOMEM, "the event loop does not start");
		problem(c, &e);
		return;
	}
	a->base = proc_loop_base(a->loop);
	if (facts_read(&a->facts, &a->conf, &a->state.who.id,
		agent_mode_text(MODE_DAEMON), "", &e) != 0) {
		problem(c, &e);
		return;
	}
	checkout_say(&c->out, "name", "%s", a->facts.name);
	if (agent_try_roles(a, &e) != 0) {
		problem(c, &e);
		return;
	}
	checkout_say(&c->out, "sandbox monitor:", "%s", sandbox_describe());
	checkout_say(&c->out, "sandbox verify:", "%s", a->sandbox);
	checkout_say(&c->out, "sandbox judge:", "%s", a->policy.sandbox);
	check_policy(c);
}

int
check_main(const char *conf_path, bool json)
{
	static struct check c;
	bool running = false;
	struct err e;

	err_clear(&e);
	checkout_init(&c.out, json);
	if (open_quietly(&c, conf_path, &running, &e) != 0) {
		problem(&c, &e);
		agent_close(&c.a);
		return checkout_end(&c.out);
	}
	check_state(&c, running);
	check_relay(&c);
	check_enrolment(&c);
	check_disk(&c);
	check_files(&c);
	if (running)
		checkout_say(&c.out, "what follows", "%s",
		    "is true of an agent started from here; its unit may"
		    " allow the one that runs more, and give it control"
		    " groups");
	checkrights(&c.out, &c.a);
	check_roles(&c);
	agent_close(&c.a);
	return checkout_end(&c.out);
}
