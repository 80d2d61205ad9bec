/* SPDX-License-Identifier: MPL-2.0 */
/* The monitor's start, idle life and end; see monitor.h. */
#include "agent/monitor/monitor.h"

#include "action/policy.h"
#include "agent/monitor/answer.h"
#include "agent/monitor/cancel.h"
#include "agent/monitor/chain.h"
#include "agent/monitor/exam.h"
#include "agent/monitor/hello.h"
#include "agent/monitor/job.h"
#include "agent/store/journal.h"
#include "agent/monitor/netlink.h"
#include "agent/monitor/notice.h"
#include "agent/monitor/ownopen.h"
#include "agent/store/ownrecord.h"
#include "agent/monitor/ran.h"
#include "agent/monitor/role.h"
#include "agent/seldom.h"
#include "agent/monitor/sender.h"
#include "agent/store/spool.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "modules/agent/peers.h"
#include "os/os.h"
#include "proc/proc.h"
#include "proc/timer.h"
#include "record/record.h"
#include "sandbox/sandbox.h"

#include <event2/event.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DISK_MS 5000   /* between two looks at a disk that takes nothing */
#define HOUSE_MS 60000 /* the least between two others */
#define HOUSE_MS_MAX (86400 * 1000LL)
#define CHECKIN_LOOK_MS 1000
#define STOP_SECONDS 30
/* A check-in ends when nothing came for so long after the connection. */
#define CHECKIN_QUIET_MS 3000
#define CHECKIN_MAX_MS 600000

static const struct role_spec verify_spec = {
	.name = "verify",
	.program = "mig-agent-verify",
	.kind = ROLE_VERIFY,
	.start = MSG_VERIFY_START,
	.ready = MSG_VERIFY_READY,
	.failed = MSG_VERIFY_FAILED,
	.max_body = MSG_SMALL,
};

static const struct role_spec judge_spec = {
	.name = "judge",
	.program = "mig-agent-judge",
	.kind = ROLE_JUDGE,
	.start = MSG_JUDGE_START,
	.ready = MSG_JUDGE_READY,
	.failed = MSG_JUDGE_FAILED,
	.max_body = MSG_DOC_MAX,
};

int64_t
agent_now(const struct agent *a)
{
	int64_t now = clock_wall_ms() / 1000;
	int64_t newest = journal_newest(a->journal);

	return now > newest ? now : newest;
}

const char *
agent_mode_text(enum agent_mode m)
{
	return m == MODE_CHECKIN ? "checkin"
	    : m == MODE_ONCE     ? "once"
				 : "daemon";
}

/* --- roles ---------------------------------------------------------------- */

static const char *
policy_place(const struct agent *a)
{
	return a->policy_path != NULL ? a->policy_path : a->conf.state;
}

static int
read_policy(struct agent *a, struct buf *out, struct err *e)
{
	int rc;

	if (a->policy_text != NULL)
		return buf_add(
			   out, a->policy_text->data, a->policy_text->len) == 0
		    ? 0
		    : err_code(e, out->error, "%s", policy_place(a));
	rc = state_policy_read(&a->state, out, e);
	if (rc == ERR_NOTFOUND)
		return err_set(e, rc,
		    "%s: there is no policy yet, so nobody may ask anything: "
		    "install one with 'mig-agent policy FILE', or enrol",
		    policy_place(a));
	return rc;
}

/* The whole policy to judge; its hash is taken from the same bytes. */
static int
fill_judge(struct buf *out, void *arg, struct err *e)
{
	struct agent *a = arg;
	struct buf text;
	int rc;

	buf_init(&text, POLICY_MAX);
	rc = read_policy(a, &text, e);
	if (rc == 0) {
		purpose_hash(
		    PURPOSE_POLICY, text.data, text.len, &a->judge_hash);
		buf_add_u32(out, a->uid);
		buf_add_u32(out, a->gid);
		buf_add_field(out, text.data, text.len);
		facts_write(&a->facts, out);
	}
	buf_release(&text);
	return rc;
}

/* To verify only the keyring's bytes, by the lengths that judge read. */
static int
fill_verify(struct buf *out, void *arg, struct err *e)
{
	struct agent *a = arg;
	size_t tail = (size_t)a->policy.keyring_len + a->policy.acl_len +
	    a->policy.limits_len;
	struct id hash;
	struct buf text;
	int rc;

	buf_init(&text, POLICY_MAX);
	rc = read_policy(a, &text, e);
	if (rc == 0) {
		purpose_hash(PURPOSE_POLICY, text.data, text.len, &hash);
		if (!id_equal(&hash, &a->policy_hash) || tail > text.len) {
			rc = err_set(e, ERR_INVALID,
			    "%s changed since judge read it", policy_place(a));
			/* judge reads it, or is about to; then this is tried
			 * again */
			if (!id_equal(&hash, &a->judge_hash))
				role_restart(a->judge);
		}
	}
	if (rc == 0) {
		a->verify_hash = hash;
		buf_add_u32(out, a->uid);
		buf_add_u32(out, a->gid);
		buf_add_field(
		    out, text.data + text.len - tail, a->policy.keyring_len);
	}
	buf_release(&text);
	return rc;
}

/* Commands tell who typed them; a daemon starts what crashed again. */
static void
role_failed(struct agent *a, const char *role, int code, const char *why)
{
	if (code == ERR_CLOSED &&
	    (a->mode == MODE_DAEMON || a->mode == MODE_CHECKIN))
		return;
	log_error("role_cannot_start role=%s why=%s", role, log_quote(why));
	if (a->on_failed != NULL)
		a->on_failed(a, role, why);
}

static void
maybe_ready(struct agent *a)
{
	void (*cb)(struct agent *) = a->on_ready;

	if (!a->verify_ready || !a->judge_ready || cb == NULL)
		return;
	a->on_ready = NULL;
	cb(a);
}

static void
on_verify_ready(struct role *r, int code, const void *body, size_t len,
    const char *text, void *arg)
{
	struct agent *a = arg;
	struct rd rd;

	if (code != 0) {
		role_failed(a, "verify", code, text);
		return;
	}
	rd_init(&rd, body, len);
	rd_field_str(&rd, a->sandbox, sizeof(a->sandbox));
	a->verify_ready = rd_done(&rd);
	maybe_ready(a);
	chain_ready(a->chain);
}

static void
on_judge_ready(struct role *r, int code, const void *body, size_t len,
    const char *text, void *arg)
{
	struct agent *a = arg;
	struct err e;

	if (code == 0 && judge_ready_parse(body, len, &a->policy) != 0) {
		code = ERR_INVALID;
		text = "unreadable answer";
	}
	if (code != 0) {
		role_failed(a, "judge", code, text);
		return;
	}
	err_clear(&e);
	a->judge_ready = true;
	a->policy_hash = a->judge_hash;
	/* judge knows where the keyring stands; both have the same policy */
	if (!a->verify_ready && role_start(a->verify, &e) != 0)
		role_failed(a, "verify", ERR_INVALID, e.msg);
	else if (a->verify_ready && !id_equal(&a->verify_hash, &a->policy_hash))
		role_restart(a->verify);
	maybe_ready(a);
}

/* The capabilities that the monitor's children start with or that it needs
 * to start and end them (linux/capability.h). */
#define CAP_BIT(n) (1ull << (n))
#define MONITOR_CAPS                                                        \
	(CAP_BIT(1) /* DAC_OVERRIDE */ | CAP_BIT(2) /* DAC_READ_SEARCH */ | \
	    CAP_BIT(5) /* KILL */ | CAP_BIT(6) /* SETGID */ |               \
	    CAP_BIT(7) /* SETUID */ | CAP_BIT(8) /* SETPCAP */ |            \
	    CAP_BIT(13) /* NET_RAW */ | CAP_BIT(19) /* SYS_PTRACE */ |      \
	    CAP_BIT(21) /* SYS_ADMIN */ | CAP_BIT(23) /* SYS_NICE */)

static int
enter_sandbox(struct err *e)
{
	struct sandbox box = {
		.profile = SANDBOX_MONITOR, .uid = (uid_t)-1, .gid = (gid_t)-1
	};

	if (geteuid() == 0)
		box.keep_caps = MONITOR_CAPS;
	return sandbox_enter(&box, e);
}

/* What others on this host see of this agent. */
static const char *
mode_word(enum agent_mode m)
{
	return m == MODE_CHECK ? "check" : agent_mode_text(m);
}

int
agent_start_roles(struct agent *a, struct err *e)
{
	char label[PEER_LABEL_MAX];
	int rc = enter_sandbox(e);

	if (rc != 0)
		return rc;
	a->judge =
	    role_new(a->loop, &judge_spec, fill_judge, on_judge_ready, a);
	a->verify =
	    role_new(a->loop, &verify_spec, fill_verify, on_verify_ready, a);
	if (a->judge == NULL || a->verify == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	peer_label(
	    MIG_VERSION, mode_word(a->mode), id_hex(&a->state.who.id).s, label);
	role_label(a->judge, label);
	role_label(a->verify, label);
	return role_start(a->judge, e);
}

/* --- opening -------------------------------------------------------------- */

static void
on_term(void *arg)
{
	agent_stop(arg);
}

/* Whom the record's entries are told to. */
struct reading {
	struct ran *ran;
	struct spool *spool;
	struct daybook *days;
	int64_t now; /* as entries have it, in ms */
};

static void
count_refused(const struct own_asked *asked, const struct reading *r)
{
	struct signed_by by;

	memset(&by, 0, sizeof(by));
	by.n = (uint8_t)asked->nsigners;
	memcpy(by.persons, asked->persons, sizeof(by.persons));
	daybook_count(&r->days[DAY_REFUSED], &by, r->now - asked->time_ms,
	    clock_mono_ms());
}

static int
on_recorded(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	struct reading *r = arg;
	struct own_answered answered;
	struct own_cancelled cancelled;
	struct own_asked asked;

	if (type == OWN_ANSWERED &&
	    own_answered_parse(data, len, &answered) == 0)
		spool_proven(r->spool, &answered.id, position);
	if (type == OWN_CANCELLED &&
	    own_cancelled_parse(data, len, &cancelled) == 0 && !cancelled.open)
		daybook_count(&r->days[DAY_CANCELS], &cancelled.by,
		    clock_wall_ms() - cancelled.time_ms, clock_mono_ms());
	if (type == OWN_ASKED && own_asked_parse(data, len, &asked) == 0 &&
	    asked.reason != 0)
		count_refused(&asked, r);
	return ran_note(position, type, data, len, r->ran);
}

/* That is written after the record is synced. */
static bool
journal_has_answered(const struct id *id, void *arg)
{
	const struct journal_entry *found = journal_find(arg, id);

	return found != NULL &&
	    (found->state == JOURNAL_ANSWERED || found->state == JOURNAL_ACKED);
}

/* It would refuse everything until then. Only a person can say which of the
 * two clocks was right: by the other answer, what ran already could run again.
 */
static void
look_at_beginning(const struct agent *a, const char *path, int64_t now)
{
	int64_t begins = journal_not_before(a->journal);
	char when[RFC3339_LEN + 1];

	if (begins <= now + JOURNAL_BEGIN_SLACK)
		return;
	rfc3339_format(begins, when);
	log_error("journal_begins_later path=%s begins=%s effect=%s do=%s",
	    path, when, log_quote("what is signed before that time is refused"),
	    log_quote(JOURNAL_BEGIN_DO));
}

/* The record and, by what it says, what the journal has lost. */
static int
open_record_and_compare(struct agent *a, int64_t now, struct err *e)
{
	struct ran *ran = ran_new(now);
	struct reading reading = { ran, a->spool, a->days,
		agent_now(a) * 1000 };
	char text[NOTE_MAX], path[PATH_MAX];
	size_t lost = 0;
	bool expected;
	int rc;

	if (ran == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	spool_on_unproven(a->spool, journal_has_answered, a->journal);
	state_path(&a->state, "spool", path);
	expected = own_expected(
	    !journal_was_new(a->journal) || journal_was_damaged(a->journal),
	    path);
	state_path(&a->state, "record", path);
	rc = own_open(
	    path, a->spool, expected, on_recorded, &reading, &a->record, e);
	if (rc == 0)
		rc = spool_settle(a->spool, record_was_new(a->record), e);
	/* one that starts anew refuses all that was signed before */
	if (rc == 0 && !journal_was_new(a->journal) &&
	    !journal_was_damaged(a->journal))
		rc = ran_hold(ran, a->journal, &lost, e);
	ran_free(ran);
	if (rc != 0 || lost == 0)
		return rc;
	snprintf(text, sizeof(text),
	    "the journal does not know %zu actions that ran and were answered: "
	    "it was cut; they do not run again",
	    lost);
	log_error("journal_cut actions=%zu why=%s", lost, log_quote(text));
	return own_add_note(a->record, clock_wall_ms(), text, e);
}

static int
open_files(struct agent *a, struct err *e)
{
	char path[PATH_MAX], spool[PATH_MAX];
	int64_t now = clock_wall_ms() / 1000;
	int rc;

	state_path(&a->state, "journal", path);
	rc = journal_open(path, JOURNAL_MAX, now, state_has_policy(&a->state),
	    &a->journal, e);
	if (rc == 0)
		look_at_beginning(a, path, now);
	state_path(&a->state, "spool", spool);
	if (rc == 0)
		rc = spool_open(spool, a->conf.quota, now, &a->spool, e);
	if (rc == 0)
		rc = open_record_and_compare(a, now, e);
	if (rc == 0)
		rc = own_say_journal(a->record, a->journal, path, e);
	return rc;
}

static int
open_identity(struct agent *a, struct err *e)
{
	int rc = state_identity(&a->state, e);

	if (rc != ERR_NOTFOUND || a->mode == MODE_DAEMON ||
	    a->mode == MODE_CHECKIN) {
		if (rc == ERR_NOTFOUND)
			err_set(e, rc,
			    "%s: this agent has no identity yet: run "
			    "'mig-agent enrol' (or 'mig-agent init')",
			    a->conf.state);
		return rc;
	}
	err_clear(e);
	rc = state_identity_new(&a->state, e);
	if (rc == 0)
		log_info("identity_made id=%s", id_hex(&a->state.who.id).s);
	return rc;
}

static int
open_parts(struct agent *a, struct err *e)
{
	a->loop = proc_loop_new(on_term, a);
	if (a->loop == NULL)
		return err_code(e, ERR_NOMEM, "the event loop does not start");
	a->base = proc_loop_base(a->loop);
	a->exam = exam_new(a);
	a->chain = chain_new(a);
	a->sender = sender_new(a);
	a->answers = answers_new(a);
	a->notice = notice_new(&a->conf, a->loop);
	if (a->exam == NULL || a->chain == NULL || a->sender == NULL ||
	    a->answers == NULL || a->notice == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	a->jobs = jobs_new(a, e);
	return a->jobs == NULL ? ERR_NOTFOUND : 0;
}

int
agent_open(
    struct agent *a, enum agent_mode mode, const char *conf_path, struct err *e)
{
	uid_t uid;
	gid_t gid;
	int rc;

	memset(a, 0, sizeof(*a));
	a->mode = mode;
	a->started_ms = clock_mono_ms();
	a->state.lock = -1;
	a->uid = a->gid = (uint32_t)-1;
	rc = agent_conf_load(conf_path, &a->conf, e);
	if (rc != 0)
		return rc;
	log_init("agent", agent_conf_log(&a->conf), NULL);
	if (geteuid() == 0) {
		rc = agent_conf_user(&a->conf, &uid, &gid, e);
		if (rc != 0)
			return rc;
		a->uid = uid;
		a->gid = gid;
	}
	rc = state_open(a->conf.state, &a->state, e);
	if (rc == 0)
		rc = open_identity(a, e);
	if (rc == 0)
		rc = open_files(a, e);
	if (rc == 0)
		rc = open_parts(a, e);
	if (rc == 0)
		rc = facts_read(&a->facts, &a->conf, &a->state.who.id,
		    agent_mode_text(mode), "", e);
	return rc;
}

void
agent_close(struct agent *a)
{
	if (a->record != NULL)
		days_end(a);
	netlink_free(a->net);
	role_free(a->verify);
	role_free(a->judge);
	jobs_free(a->jobs);
	answers_free(a->answers);
	exam_free(a->exam);
	chain_free(a->chain);
	sender_free(a->sender);
	notice_free(a->notice);
	if (a->house != NULL)
		event_free(a->house);
	spool_free(a->spool);
	journal_free(a->journal);
	record_free(a->record);
	proc_loop_free(a->loop);
	judge_ready_release(&a->policy);
	facts_release(&a->facts);
	state_close(&a->state);
	agent_conf_release(&a->conf);
}

/* --- life ----------------------------------------------------------------- */

static bool
checkin_over(const struct agent *a)
{
	int64_t heard = netlink_heard_ms(a->net);

	return heard > 0 && clock_mono_ms() - heard > CHECKIN_QUIET_MS &&
	    jobs_idle(a->jobs) && answers_waiting(a->answers) == 0 &&
	    sender_idle(a->sender) && !exam_busy(a->exam) &&
	    !chain_busy(a->chain);
}

void
agent_idle_check(struct agent *a)
{
	if (!a->stopping)
		return;
	/* what is spooled is sent after the next start */
	if (jobs_quiet(a->jobs) && !exam_busy(a->exam) &&
	    !chain_busy(a->chain)) {
		netlink_stop(a->net);
		if (!netlink_up(a->net))
			proc_loop_stop(a->loop);
	}
}

void
agent_disk_error(struct agent *a, int rc)
{
	/* the others are no errors of the disk */
	if (rc == ERR_BUSY || rc == ERR_EXISTS || rc == ERR_INVALID ||
	    rc == ERR_NOMEM || rc == ERR_TOOBIG)
		return;
	a->disk_failed = true;
	agent_house(a, DISK_MS);
}

/* There is no timer while nothing is due: an idle agent wakes nobody. */
void
agent_house(struct agent *a, int64_t ms)
{
	int64_t due;
	struct timeval tv;

	if (a->house == NULL || a->stopping)
		return;
	ms = ms < HOUSE_MS_MAX ? ms : HOUSE_MS_MAX;
	due = clock_mono_ms() + ms;
	if (event_pending(a->house, EV_TIMEOUT, NULL) && a->house_ms <= due)
		return;
	a->house_ms = due;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = (ms % 1000) * 1000;
	timer_start(a->house, &tv);
}

void
agent_must_restart(struct agent *a)
{
	agent_disk_error(a, ERR_IO);
	if (a->mode != MODE_ONCE)
		return;
	/* nobody starts it again, and nothing would ever end it */
	log_error("once_ends effect=%s",
	    log_quote("what is open is answered when the agent starts"));
	proc_loop_stop(a->loop);
}

/* So that what waits to be answered can be before the end. One process opens
 * the file only once: the old one goes first. */
static void
reopen_record(struct agent *a)
{
	char path[PATH_MAX];
	struct err e;

	err_clear(&e);
	record_free(a->record);
	a->record = NULL;
	state_path(&a->state, "record", path);
	/* one that is damaged or gone is left to the next start, which vouches
	 * for the small answers that it had */
	if (access(path, F_OK) != 0)
		err_errno(&e, "%s", path);
	else if (record_open(path, NULL, NULL, &a->record, &e) == 0)
		return;
	/* nothing may go on without it, not even an orderly end */
	log_error("record why=%s effect=%s", log_quote(e.msg),
	    log_quote("ending at once"));
	_exit(1);
}

/* Does the disk take writes again? Then the journal and the record are opened
 * anew, which only a start does. */
static bool
must_start_again(struct agent *a)
{
	static struct seldom said;
	unsigned int left_out;
	char path[PATH_MAX];
	struct err e;

	if (!a->disk_failed || !jobs_quiet(a->jobs) || exam_busy(a->exam) ||
	    chain_busy(a->chain))
		return false;
	err_clear(&e);
	state_path(&a->state, "probe", path);
	if (file_write(path, "probe\n", 6, 0600, &e) != 0) {
		if (seldom(&said, &left_out))
			log_error("disk why=%s effect=%s", log_quote(e.msg),
			    log_quote(
				"nothing runs until it takes writes again"));
		return false;
	}
	unlink(path);
	reopen_record(a);
	log_error("start_again effect=%s",
	    log_quote("memory or a write of the journal or record failed, the "
		      "disk takes writes again: ending, so that the service "
		      "manager starts the agent anew"));
	return true;
}

static const struct timeval stop_time = { .tv_sec = STOP_SECONDS };

static void
on_house(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;
	static int64_t since;
	int64_t now = clock_mono_ms(), due;

	if (since == 0)
		since = now;
	if (a->stopping) {
		/* half a minute is over */
		jobs_stop(a->jobs, true);
		timer_start(a->house, &stop_time);
		agent_idle_check(a);
		return;
	}
	if (a->mode == MODE_CHECKIN) {
		if (checkin_over(a) || now - since > CHECKIN_MAX_MS)
			agent_stop(a);
		else
			agent_house(a, CHECKIN_LOOK_MS);
		return;
	}
	if (must_start_again(a)) {
		a->exit_code = 1;
		agent_stop(a);
		return;
	}
	if (a->worked)
		jobs_warm(a->jobs);
	if (spool_clean(a->spool, agent_now(a), now) > 0 || a->worked)
		os_memory_back();
	a->worked = false;
	days_house(a);
	due = spool_clean_in_ms(a->spool, agent_now(a), now);
	if (a->disk_failed)
		agent_house(a, DISK_MS);
	else if (due >= 0)
		agent_house(a, due > HOUSE_MS ? due : HOUSE_MS);
}

void
agent_stop(struct agent *a)
{
	if (a->stopping)
		return;
	log_info("stopping");
	proc_notify("STOPPING=1");
	a->stopping = true;
	jobs_stop(a->jobs, false);
	if (a->house != NULL)
		timer_start(a->house, &stop_time);
	agent_idle_check(a);
}

/* Signs of life come with the hellos: as long as three may take, the service
 * manager has to wait. */
static void
arrange_watchdog(const struct agent *a)
{
	int64_t ms = 3 * a->conf.hello_interval * 1000;
	char text[64];

	if (proc_watchdog_ms() == 0 || proc_watchdog_ms() >= ms)
		return;
	snprintf(text, sizeof(text), "WATCHDOG_USEC=%" PRId64, ms * 1000);
	proc_notify(text);
}

static void
run_ready(struct agent *a)
{
	struct err e;

	err_clear(&e);
	log_info("ready id=%s policy=%" PRIu64 " sandbox=%s",
	    id_hex(&a->state.who.id).s, a->policy.version,
	    log_quote(a->sandbox));
	hello_refresh_sandbox(a);
	if (agent_recover(a, &e) != 0)
		log_error("recover why=%s", log_quote(e.msg));
	if (netlink_start(a, &a->net, &e) != 0) {
		log_error("net_start why=%s", log_quote(e.msg));
		a->exit_code = 1;
		proc_loop_stop(a->loop);
		return;
	}
	jobs_warm(a->jobs);
	os_memory_keep();
	/* what starting needed is not needed again */
	os_memory_back();
	arrange_watchdog(a);
	proc_notify("READY=1");
}

static void
run_failed(struct agent *a, const char *role, const char *why)
{
	/* at the start only: later the role is started again and again */
	if (a->on_ready == NULL)
		return;
	a->exit_code = 1;
	proc_loop_stop(a->loop);
}

int
agent_main(const char *conf_path, bool checkin)
{
	struct agent a;
	struct err e;
	int rc;

	err_clear(&e);
	rc =
	    agent_open(&a, checkin ? MODE_CHECKIN : MODE_DAEMON, conf_path, &e);
	if (rc == 0) {
		a.on_ready = run_ready;
		a.on_failed = run_failed;
		a.house = event_new(a.base, -1, 0, on_house, &a);
		if (a.house == NULL)
			rc = err_set(&e, ERR_NOMEM, "out of memory");
		/* what the last run left is looked at in a minute */
		agent_house(&a, checkin ? CHECKIN_LOOK_MS : HOUSE_MS);
	}
	if (rc == 0)
		rc = agent_start_roles(&a, &e);
	if (rc != 0) {
		log_error("start why=%s", log_quote(e.msg));
		agent_close(&a);
		return 1;
	}
	(void)proc_loop_run(a.loop);
	rc = a.exit_code;
	agent_close(&a);
	return rc;
}
