/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Who may end another agent: the monitor, as no worker may signal anything. It
 * takes pid and version from judge's verdict (fixed fields, the signers have
 * the ACL's right "agentstop"), looks in /proc whether that process is an
 * agent of that version other than itself, through a descriptor of the process,
 * so that nobody else can have its number meanwhile, and sends SIGTERM: the
 * other one finishes what it does and loses nothing. doc/adr/0028.
 */
#include "agent/monitor/ownstate.h"

#include "agent/monitor/job.h"
#include "agent/store/journal.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/netlink.h"
#include "agent/store/spool.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "modules/agent/peers.h"
#include "proc/proc.h"
#include "record/record.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct stopping {
	const char *result;
	uint64_t start; /* of the process that was asked; 0: none was */
};

/* fd: of the process that has the pid now. */
static const char *
check_peer(const struct judge_verdict *v, uint64_t *ret_start)
{
	struct peers *peers = calloc(1, sizeof(*peers));
	const char *why = NULL;
	const struct peer *p;

	if (peers == NULL)
		return "not done: out of memory";
	if (peers_find("/proc", peers) != 0)
		why = "not done: /proc cannot be read";
	else if ((p = peers_by_pid(peers, (pid_t)v->stop.pid)) == NULL)
		why = "not done: this process is no agent";
	else if (strcmp(p->version, v->stop.version) != 0)
		why = "not done: the agent is of another version";
	else
		*ret_start = p->start;
	free(peers);
	return why;
}

static void
stop_other(const struct judge_verdict *v, struct stopping *ret)
{
	uint64_t start = 0;
	int fd, rc;

	ret->start = 0;
	if ((pid_t)v->stop.pid == getpid()) {
		ret->result = "not done: this is the agent itself";
		return;
	}
	fd = proc_pidfd((pid_t)v->stop.pid);
	if (fd < 0) {
		ret->result = fd == ERR_NOTFOUND
		    ? "not done: there is no such process"
		    : "not done: this system has no descriptors of processes";
		return;
	}
	ret->result = check_peer(v, &start);
	if (ret->result == NULL) {
		rc = proc_pidfd_signal(fd, SIGTERM);
		ret->result = rc == 0 ? "asked to end"
		    : rc == ERR_NOTFOUND
		    ? "not done: there is no such process any more"
		    : "not done: this agent has no right to";
		if (rc == 0)
			ret->start = start;
	}
	close(fd);
	log_info("agent_stop action=%s pid=%u version=%s result=%s",
	    id_short(&v->id).s, v->stop.pid, log_quote(v->stop.version),
	    log_quote(ret->result));
}

static void
add_policy(const struct agent *a, struct jsonw *w)
{
	char text[RFC3339_LEN + 1];

	jsonw_object(w, "policy");
	jsonw_u64(w, "version", a->policy.version);
	rfc3339_format(a->policy.issued, text);
	jsonw_str(w, "issued", text);
	rfc3339_format(a->policy.expires, text);
	jsonw_str(w, "expires", text);
	jsonw_str(w, "hash", id_hex(&a->policy_hash).s);
	jsonw_object_end(w);
}

static void
add_limits(const struct agent *a, const struct judge_verdict *v,
    const struct order *o, struct jsonw *w)
{
	const struct agent_conf *c = &a->conf;

	jsonw_object(w, "limits");
	jsonw_u64(w, "workers", jobs_slots(a->jobs));
	jsonw_u64(w, "queue", jobs_queue_max(a->jobs));
	jsonw_i64(w, "seconds", v->seconds);
	jsonw_i64(w, "cpuseconds", v->cpu_seconds);
	jsonw_i64(w, "memorybytes", o->memory_bytes);
	jsonw_i64(w, "cpupercent", o->cpu_percent);
	jsonw_i64(w, "readbytes", v->read_bytes);
	jsonw_i64(w, "resultbytes", v->result_bytes);
	jsonw_u64(w, "spoolbytes", c->quota);
	jsonw_i64(w, "rate", c->rate);
	jsonw_object_end(w);
}

/* Since the start, but for what is on the disk. */
static void
add_counts(const struct agent *a, struct jsonw *w)
{
	jsonw_object(w, "counts");
	jsonw_u64(w, "accepted", a->counts.accepted);
	jsonw_u64(w, "answered", a->counts.answered);
	jsonw_u64(w, "refused", a->counts.refused);
	jsonw_u64(w, "unverified", a->unverified);
	jsonw_u64(w, "connections", a->counts.connections);
	jsonw_u64(w, "unacknowledged", spool_waiting(a->spool));
	jsonw_u64(w, "journal", journal_count(a->journal));
	jsonw_u64(w, "record", record_position(a->record));
	jsonw_object_end(w);
}

static void
add_relay(const struct agent *a, struct jsonw *w)
{
	int64_t heard = netlink_heard_ms(a->net);

	jsonw_object(w, "relay");
	if (a->net == NULL) {
		jsonw_bool(w, "connected", false);
	} else {
		if (netlink_peer(a->net)[0] != '\0')
			jsonw_str(w, "peer", netlink_peer(a->net));
		jsonw_bool(w, "connected", netlink_up(a->net));
		if (heard > 0)
			jsonw_i64(w, "heard", (clock_mono_ms() - heard) / 1000);
	}
	jsonw_object_end(w);
}

static void
add_stop(const struct stopping *s, struct jsonw *w)
{
	jsonw_object(w, "stop");
	jsonw_str(w, "result", s->result);
	if (s->start != 0)
		jsonw_u64(w, "start", s->start);
	jsonw_object_end(w);
}

void
ownstate_fill(struct agent *a, const struct judge_verdict *v, unsigned int op,
    struct order *o)
{
	struct stopping s = { NULL, 0 };
	char text[RFC3339_LEN + 1];
	struct buf out;
	struct jsonw w;

	if (v->stop.pid != 0 && v->stop.operation == op)
		stop_other(v, &s);
	buf_init(&out, ORDER_STATE_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "id", id_hex(&a->state.who.id).s);
	jsonw_str(&w, "name", a->facts.name);
	jsonw_str(&w, "version", MIG_VERSION);
	jsonw_str(&w, "mode", agent_mode_text(a->mode));
	jsonw_i64(&w, "pid", getpid());
	jsonw_i64(&w, "uptime", (clock_mono_ms() - a->started_ms) / 1000);
	rfc3339_format(clock_wall_ms() / 1000, text);
	jsonw_str(&w, "time", text);
	add_policy(a, &w);
	add_relay(a, &w);
	add_limits(a, v, o, &w);
	add_counts(a, &w);
	jsonw_object(&w, "sandbox");
	jsonw_str(&w, "verify", a->sandbox);
	jsonw_str(&w, "judge", a->policy.sandbox);
	jsonw_object_end(&w);
	if (s.result != NULL)
		add_stop(&s, &w);
	jsonw_object_end(&w);
	o->state[0] = '\0';
	if (out.error == 0 && out.len < sizeof(o->state)) {
		memcpy(o->state, out.data, out.len);
		o->state[out.len] = '\0';
	} else {
		log_error("agent_state action=%s why=%s", id_short(&v->id).s,
		    err_text(out.error));
	}
	buf_release(&out);
}
