/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The server's store: everything that must survive. One writer (the core's
 * writer thread, or a short-lived admin command) and any number of readers,
 * each with a connection of its own; a connection is used by one thread at a
 * time. SQL stands behind this header only.
 *
 * Writes are durable when store_commit() has returned. Readers see committed
 * states only. Times are unix milliseconds unless a name says otherwise.
 */
#ifndef MIG_SERVER_STORE_STORE_H
#define MIG_SERVER_STORE_STORE_H

#include "base/buf.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct store;

enum store_mode { STORE_READ, STORE_WRITE, STORE_EXISTING };

#define STORE_FPR_HEX 40
#define STORE_NAME_MAX 256

/* Opens; STORE_WRITE creates the file when missing, STORE_EXISTING (to write
 * as well) takes a missing or empty one for damage; both migrate its schema to
 * this program's version. ERR_UNSUPPORTED for a newer schema, ERR_EXPIRED when
 * an older one is opened for reading. */
int store_open(
    const char *path, enum store_mode mode, struct store **ret, struct err *e);
void store_close(struct store *s);

int store_begin(struct store *s, struct err *e);
int store_commit(struct store *s, struct err *e);
void store_rollback(struct store *s);
/* Is there one open? SQLite ends it by itself on some failures. */
bool store_is_open(const struct store *s);
/* Rows changed so far: a commit in which it stays the same wrote nothing, and
 * so says nothing about the disk. */
int64_t store_changes(const struct store *s);
/* A step inside a transaction that can be taken back on its own. When its end
 * fails, the whole transaction has to be rolled back: it may hold half of it.
 */
int store_mark(struct store *s, struct err *e);
int store_mark_end(struct store *s, bool keep, struct err *e);
/* Moves the log into the file; for idle moments. */
void store_checkpoint(struct store *s);

/* --- small facts: "instance", "policy", "relay", "investigators",
 * "doors" */
int store_meta_get(
    struct store *s, const char *key, struct buf *out, struct err *e);
int store_meta_set(struct store *s, const char *key, const void *value,
    size_t len, struct err *e);

/* --- agents --------------------------------------------------------------- */
struct store_agent {
	int64_t n; /* the store's own number */
	struct id id;
	const char *name;    /* from hello or enrolment */
	const char *trouble; /* in words; "" none */
	bool online, revoked, said_hello;
	int64_t enrolled, lastseen;
	uint64_t connection;
	/* from the newest hello; "" before the first */
	const char *os, *arch, *ident, *version, *mode;
	const char *environment, *tags, *addresses;
	const uint8_t *hello; /* the signed bytes */
	size_t hello_len;
};
typedef int store_on_agent(const struct store_agent *a, void *arg);
/* Those with n > after, in order, at most limit; a callback's non-zero value
 * ends the walk and is returned. */
int store_agents(struct store *s, int64_t after, int limit, store_on_agent *fn,
    void *arg, struct err *e);
int store_agent_get(struct store *s, const struct id *id, store_on_agent *fn,
    void *arg, struct err *e);
/* Consumes the token and registers (again); ret_n its number. ERR_AUTH: the
 * token is used up or past its end; ERR_DENIED: the agent was revoked. */
int store_agent_enrol(struct store *s, const struct store_agent *a,
    const struct id *token, int64_t now, int64_t *ret_n, struct err *e);
/* In words, what is wrong with it; offline from then on. A hello ends it. */
int store_agent_trouble(
    struct store *s, int64_t n, const char *text, struct err *e);
int
store_agent_hello(struct store *s, const struct store_agent *a, struct err *e);
int store_agent_presence(struct store *s, int64_t n, bool online,
    uint64_t connection, int64_t lastseen, struct err *e);
/* How many; -1: that cannot be read. */
int64_t store_agents_total(struct store *s);
int store_agents_offline(struct store *s, struct err *e);
int store_agent_revoke(struct store *s, const struct id *id, struct err *e);
/* A certificate that an agent is about to get; ends: unix s. */
int store_certificate_put(struct store *s, const struct id *agent,
    const void *serial, size_t len, int64_t ends, struct err *e);
/* Serial numbers of revoked agents' certificates that have not ended, of each
 * the newest: one that had itself given very many would make the list too long,
 * and keep the others off it. */
#define STORE_SERIALS_AGENT_MAX 64
typedef int store_on_serial(const uint8_t *serial, size_t len, void *arg);
int store_certificates_revoked(struct store *s, int64_t now,
    store_on_serial *fn, void *arg, struct err *e);

/* A full id from a prefix of 8..64 hex digits. ERR_NOTFOUND, or ERR_INVALID
 * when several begin so. */
int store_agent_find(
    struct store *s, const char *prefix, struct id *ret, struct err *e);
int store_action_find(
    struct store *s, const char *prefix, struct id *ret, struct err *e);

/* --- events --------------------------------------------------------------- */
#define STORE_EVENTS_KEPT 100000
int store_event_put(struct store *s, int64_t now, const char *kind,
    const char *json, struct err *e);
typedef int
store_on_event(int64_t cursor, const char *kind, const char *json, void *arg);
int store_events(struct store *s, int64_t after, int limit, store_on_event *fn,
    void *arg, struct err *e);
int64_t store_events_last(struct store *s);
/* Removes old sessions, tokens, certificates and events. */
int store_prune(struct store *s, int64_t now, struct err *e);

#endif
