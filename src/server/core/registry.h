/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Every registered agent in memory: found by id, numbered densely (slot), so
 * that actions can hold one small entry an agent. Agents are never removed
 * while the core runs; revoked ones are marked.
 */
#ifndef MIG_SERVER_CORE_REGISTRY_H
#define MIG_SERVER_CORE_REGISTRY_H

#include "server/store/store.h"
#include "target/target.h"

struct agent {
	struct id id;
	int64_t n; /* the store's number */
	size_t slot;
	char *name; /* owned */
	bool online, revoked;
	bool lost;           /* was online when the relay went away */
	uint64_t connection; /* of the newest hello */
	int64_t hello_ms;    /* its own time; 0: not known yet */
	uint64_t position;   /* of the record in it */
	bool refused;        /* speaks no protocol of ours */
	int64_t renewed;     /* mono ms when it last asked for one; 0: never */
	unsigned int renewals;   /* certificates it was given since our start */
	unsigned int enrolments; /* that it repeated since our start */
	int64_t enrolled;        /* mono ms of the last of these */
	int64_t lastseen;        /* ms */
	int64_t heard;           /* mono ms of its last message; 0: none yet */
	int64_t interval;        /* ms between its hellos; 0: not said yet */
	bool policies;           /* its protocol has a policy's next steps */
	struct id policy;        /* that its newest hello names */
	int64_t came; /* mono ms: connected, or with another policy than before
		       */
	bool unsaved; /* the store does not know its newest state */
	uint8_t *unsaved_hello; /* owned: nor this */
	size_t unsaved_len;
	unsigned int pulls;          /* parts that wait to be sent to it */
	struct assembly *assemblies; /* of it: assembly.c's */
	int64_t slow_until;          /* mono ms: it held others up */
	uint32_t messages, parts;    /* that it may still send; be sent */
	int64_t filled;              /* mono ms: when these grew last */
	int64_t owed;   /* mono ms: what its hellos were sent is made up for */
	uint32_t flood; /* messages beyond that, of late */
	int64_t silenced_until; /* mono ms: the relay takes none of its */
	struct target_row row;  /* row.id NULL before the first hello */
	int64_t row_ms;         /* mono ms: when it became so; 0: before */
	char *row_text;         /* owned: what row points to */
	struct agent *next;     /* same bucket */
};

struct registry {
	struct agent **slots; /* owned */
	size_t n, cap;
	struct agent **buckets; /* owned; power of two */
	size_t nbuckets;
	size_t online, lost, revoked; /* counters */
};

void registry_init(struct registry *r);
void registry_release(struct registry *r);
struct agent *registry_find(const struct registry *r, const struct id *id);
/* Adds or returns the one there; NULL when out of memory. */
struct agent *registry_add(
    struct registry *r, const struct id *id, int64_t n, const char *name);
/* Copies the row (all fields but id); *ret_changed tells whether it is new. */
int
agent_set_row(struct agent *a, const struct target_row *row, bool *ret_changed);
int agent_set_name(struct agent *a, const char *name);
/* false and unchanged when the connection is older than the newest hello's.
 * Nobody signs a presence: its connection is compared, never kept. */
bool registry_presence(struct registry *r, struct agent *a, bool online,
    uint64_t connection, int64_t now);
/* A hello whose signature is the agent's. The counter may go back (it followed
 * a wrong clock and was lost) where time or record say that the hello is the
 * newer one; false and unchanged when nothing does. */
bool registry_hello(struct registry *r, struct agent *a, uint64_t connection,
    int64_t time_ms, uint64_t position, int64_t now);
/* The relay went away: everyone online is now lost. */
void registry_relay_lost(struct registry *r);
/* Who has not come back until now is offline, not lost. */
void registry_forget_lost(struct registry *r);
/* One more message of an agent (a part sent to it): false when it sends (wants)
 * more than a well-behaved one ever does. A message that brought something
 * new is given back. */
bool agent_may_say(struct agent *a, size_t len, int64_t now);
/* It went on nevertheless, for so long that it is to be silenced: true once. */
bool agent_is_flooding(struct agent *a, size_t len, int64_t now);
void agent_said_well(struct agent *a, size_t len);
bool agent_may_pull(struct agent *a, int64_t now);
/* So many bytes that its hello asks for? More than a burst goes at so many a
 * second: who says for ever that it knows nothing is sent no more than that. */
bool agent_may_be_sent(struct agent *a, size_t len, int64_t now);
/* Another certificate, which lives so long (ms)? The pause between two grows
 * from some seconds to a part of their life: who asks without end gets few, as
 * each is stored, and listed when its agent is revoked. */
bool agent_may_renew(struct agent *a, int64_t life, int64_t now);
/* The same of an enrolment that one which is enrolled repeats. */
bool agent_may_enrol(struct agent *a, int64_t life, int64_t now);
void registry_revoke(struct registry *r, struct agent *a);

#endif
