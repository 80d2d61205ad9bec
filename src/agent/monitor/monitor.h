/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The monitor: the one process of the agent that has rights, keys and the
 * disk. It believes no other role further than a verdict goes and parses
 * nothing from outside but the length-prefixed fields of their messages.
 *
 *   net ---- envelope ---> exam --ask--> verify, judge
 *                           | verdict
 *                           v
 *   journal <- accepted -- job ---- mig-worker per operation
 *                           | outputs
 *                           v
 *   spool <---------------- answer ---> sender ---> net
 */
#ifndef MIG_AGENT_MONITOR_MONITOR_H
#define MIG_AGENT_MONITOR_MONITOR_H

#include "agent/conf.h"
#include "agent/monitor/days.h"
#include "agent/monitor/facts.h"
#include "agent/messages.h"
#include "agent/monitor/state.h"

struct answers;
struct chain;
struct event;
struct event_base;
struct exam;
struct job;
struct jobs;
struct journal;
struct netlink;
struct notice;
struct proc_loop;
struct record;
struct role;
struct sender;
struct spool;

enum agent_mode { MODE_DAEMON, MODE_CHECKIN, MODE_ONCE, MODE_CHECK };

/* Since the start. */
struct agent_counts {
	uint64_t accepted, answered, refused, connections;
};

struct agent {
	enum agent_mode mode;
	struct agent_conf conf;
	struct state state;
	struct proc_loop *loop;
	struct event_base *base; /* of loop */
	uint32_t uid, gid;       /* of the roles; -1: not root */
	struct facts facts;
	bool facts_there;
	/* borrowed; NULL: the installed one */
	const char *policy_path;
	const struct buf *policy_text; /* what was read from there, once */
	struct id judge_hash;          /* of what judge was told at its start */
	struct id verify_hash;         /* and verify */
	struct id policy_hash;         /* of the one in force: */
	struct judge_ready policy;     /* version 0: not known yet */
	struct journal *journal;
	struct spool *spool;
	struct record *record;
	struct role *verify, *judge;
	bool verify_ready, judge_ready;
	char sandbox[128]; /* of verify, as it described it */
	struct exam *exam;
	struct chain *chain;
	struct jobs *jobs;
	struct answers *answers;
	struct sender *sender;
	struct notice *notice;
	struct netlink *net; /* NULL without a relay */
	struct daybook days[DAYS_MAX];
	struct event *house; /* house-keeping; set while something is due */
	int64_t house_ms;    /* when it is due, clock_mono_ms() */
	bool worked;         /* memory of an answer to be given back */
	bool stopping;
	bool disk_failed;    /* journal or record could not be written */
	uint64_t unverified; /* envelopes without a good signature */
	struct agent_counts counts;
	int64_t started_ms; /* clock_mono_ms() */
	int exit_code;
	/* once, check and policy: what happens next; NULL otherwise */
	void (*on_ready)(struct agent *a);
	void (*on_failed)(struct agent *a, const char *role, const char *why);
	void (*on_done)(struct agent *a, const struct job *job);
	void (*on_refused)(struct agent *a, const struct id *id,
	    unsigned int reason, const char *detail);
	void *hook;
};

/* Opens configuration, state and identity (made when missing), journal,
 * spool, record and loop; starts no process. */
int agent_open(struct agent *a, enum agent_mode mode, const char *conf_path,
    struct err *e);
/* Starts verify and judge with that policy. */
int agent_start_roles(struct agent *a, struct err *e);
/* Runs verify and judge until both are ready or one cannot start (e says why):
 * for commands; the loop has ended then. */
int agent_try_roles(struct agent *a, struct err *e);
/* Takes up what the journal says was interrupted. */
int agent_recover(struct agent *a, struct err *e);
void agent_close(struct agent *a);
/* Nothing new is taken; ends when all is done or after 30 s. */
void agent_stop(struct agent *a);
/* Called whenever something may have become idle. */
void agent_idle_check(struct agent *a);
/* Journal or record gave rc: one that stays broken after a failed sync is
 * opened again by ending when the disk takes writes again. */
void agent_disk_error(struct agent *a, int rc);
/* After an answer: one look for all that come at once. */
#define HOUSE_SOON_MS 3000
/* House-keeping no later than in ms. */
void agent_house(struct agent *a, int64_t ms);
/* Something in the journal or the spool is not in memory and would wait for the
 * next start: there is one soon. */
void agent_must_restart(struct agent *a);
/* Unix seconds; never earlier than the newest signature accepted. */
int64_t agent_now(const struct agent *a);
const char *agent_mode_text(enum agent_mode m);

/* mig-agent run and checkin: returns the exit code. */
int agent_main(const char *conf_path, bool checkin);

#endif
