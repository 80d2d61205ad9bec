/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The core role: one loop that owns all state. It reads the store over a
 * connection of its own and writes it through the writer thread only.
 *
 *   core.c       start, channels, the tick
 *   requests.c   what the api asks for
 *   reply.c      answers to the api
 *   logins.c, nonces.c   new sessions
 *   people.c     investigators, their sessions, API keys
 *   tokens.c     enrolment tokens
 *   launch.c, signers.c, cancel.c   a new action, who signed it, its end
 *   cosign.c, judging.c, rejudge.c   actions that wait for more signatures
 *   enrol.c      a new agent
 *   renew.c      an agent's next certificate
 *   revoke.c     revoking an agent, the list of its certificates
 *   kick.c       a revoked agent's session
 *   policies.c   the policy's next steps
 *   relaylink.c  the MQTT link: topics, publishing, pulls
 *   agents.c     hellos and presence
 *   answers.c    answer parts, verification, storing, acknowledging
 *   upkeep.c     retention, the disk
 *   unsaved.c    what is written later, because the store failed
 *   registry.c, scheduler.c, writer.c, assembly.c   see their headers
 */
#ifndef MIG_SERVER_CORE_CORE_H
#define MIG_SERVER_CORE_CORE_H

#include "crypto/keyring.h"
#include "server/core/assembly.h"
#include "server/core/registry.h"
#include "server/core/rejudge.h"
#include "server/core/scheduler.h"
#include "server/core/writer.h"
#include "server/ratelimit.h"
#include "server/role.h"
#include "server/store/people.h"

#define CA_CERTS_MAX 8 /* of the CA: today's and earlier ones */

struct event;
struct jsonw;
struct nonces;
struct kick;
struct policies;
struct revoke;
struct relaylink;
struct wire_msg;
struct unsaved;

struct core {
	struct role role;
	struct store *read;    /* owned */
	struct store *write;   /* the writer's, once it runs */
	struct writer *writer; /* owned */
	struct registry registry;
	struct sched sched;
	struct relaylink *link;   /* owned */
	struct assemblies *parts; /* owned */
	struct nonces *nonces;    /* owned */
	/* refused logins in the audit log: a flood of them must not fill it */
	int64_t refused_minute;
	uint64_t refused_noted, refused_left;
	struct rate notes;         /* of each person: see core_may_note() */
	struct kick *kick;         /* owned; NULL: not needed yet */
	struct revoke *revoke;     /* owned */
	struct policies *policies; /* owned */
	struct ipc_chan *api, *ca; /* owned; NULL while not there */
	struct id instance;        /* of this server, in welcome */
	struct buf ca_pem;         /* the CA's newest certificate, terminated */
	struct id ca_fprs[CA_CERTS_MAX]; /* its, and those of earlier ones */
	size_t nca;
	struct keyring keyring; /* of all investigators */
	int64_t keyring_revision;
	uint32_t sign_request;         /* last number used towards the ca */
	struct enrolments *enrolments; /* waiting for the ca */
	struct server_status status;
	struct event *tick, *wake; /* owned */
	int64_t started, last_prune, last_watch, last_silent, lost_since;
	int64_t roll_asked; /* everyone was asked whether he is there; 0: not */
	int64_t roll_until; /* who has not answered by then is not there */
	int64_t last_waiting, last_believed, said_clock; /* mono ms, as above */
	int64_t believed;        /* wall ms that old things are removed by */
	struct unsaved *unsaved; /* owned */
	struct rejudge rejudge;
	struct judging *judging; /* owned; NULL: not read yet */
	enum disk_state disk;
	bool store_over, pruning, took_nothing;
	int stuck; /* the parent's questions since the writer moved */
};

/* A job that belongs to the core; c and request for its done(). */
struct core_job {
	struct writer_job j; /* first */
	struct core *c;
	uint32_t request; /* of the api; 0: nobody waits */
};
/* cost: bytes held besides. NULL when out of memory. */
void *core_job_new(struct core *c, size_t size, uint32_t request,
    int (*run)(struct store *, struct writer_job *, struct err *),
    void (*done)(struct writer_job *));

/* --- answers to the api --- */
void core_reply(
    struct core *c, uint32_t request, int status, const struct buf *json);
/* {} */
void core_reply_done(struct core *c, uint32_t request, int status);
/* {"error": {"code", "message"}} */
void core_refuse(struct core *c, uint32_t request, int status, const char *code,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* With the status and code that fit an error. */
void core_refuse_err(struct core *c, uint32_t request, const struct err *e);
void error_json(struct buf *out, const char *code, const char *message);

/* --- requests.c --- */
int core_on_api(struct ipc_chan *ch, const struct ipc_msg *m, void *arg);
/* Whose session or API key has this hash; refuses and returns false if there
 * is none, or it may not do this (server/calls.h). */
bool core_caller(struct core *c, uint32_t request, const struct id *token,
    enum server_call call, struct store_caller *ret);

/* --- logins.c, people.c, tokens.c --- */
void logins_nonce(struct core *c, uint32_t request);
void logins_tick(struct core *c, int64_t now);
void logins_session_new(struct core *c, uint32_t request, struct rd *rd);
void people_session_end(struct core *c, uint32_t request, struct rd *rd);
void people_put(struct core *c, uint32_t request, struct rd *rd);
void people_remove(struct core *c, uint32_t request, struct rd *rd);
void people_role(struct core *c, uint32_t request, struct rd *rd);
void people_session_revoke(struct core *c, uint32_t request, struct rd *rd);
void people_sessions_revoke(struct core *c, uint32_t request, struct rd *rd);
void people_key_put(struct core *c, uint32_t request, struct rd *rd);
void people_key_remove(struct core *c, uint32_t request, struct rd *rd);
void tokens_new(struct core *c, uint32_t request, struct rd *rd);
void tokens_remove(struct core *c, uint32_t request, struct rd *rd);
/* The keyring of today's investigators, read again when it changed. */
const struct keyring *core_keyring(struct core *c, struct err *e);

/* --- launch.c --- */
extern const struct sched_ops core_sched_ops;

/* --- enrol.c --- */
void enrol_request(struct core *c, uint32_t request, struct rd *rd);
int enrol_on_ca(struct ipc_chan *ch, const struct ipc_msg *m, void *arg);
/* Has the ca sign a renewal (body of SIGN); false when it cannot now. */
bool enrol_sign(struct core *c, const struct id *agent, const struct buf *body);
/* The ca is gone: everyone who waits for it is told. */
void enrol_ca_lost(struct core *c);

/* --- kick.c --- */
struct kick *kick_new(struct core *c);
void kick_free(struct kick *k);
/* Ends the session that an agent has at the relay. */
void kick(struct core *c, const struct id *agent);

/* --- renew.c --- */
void
renew_request(struct core *c, struct agent *a, const void *data, size_t len);
void renew_signed(
    struct core *c, const struct id *agent, const void *cert, size_t cert_len);

/* --- agents.c --- */
int agents_load(struct core *c, struct err *e);
/* Everyone is asked whether he is there: what came meanwhile is lost. */
void agents_roll_call(struct core *c);
void agents_store_presence(struct core *c, struct agent *a);
/* Of a hello that was accepted before. */
void agents_store_hello(
    struct core *c, struct agent *a, const void *data, size_t len);
void agents_on_hello(
    struct core *c, const struct id *id, const void *data, size_t len);
void agents_on_presence(
    struct core *c, const struct id *id, const void *data, size_t len);
/* Who missed the roll call, or too many hellos, is not online any more. */
void agents_forget_silent(struct core *c);

/* --- answers.c --- */
struct assemblies *answers_new(struct core *c);
void answers_on_part(struct core *c, struct agent *a, const struct wire_msg *m);

/* --- upkeep.c --- */
/* Once the store is open: what status starts with. */
void upkeep_start(struct core *c);
void upkeep_tick(struct core *c, int64_t now);
/* When certificates end, read anew. */
void upkeep_certificates(struct core *c);

/* For the scheduler: mono ms; it is told how far the wall clock is ahead. */
int64_t core_now(struct core *c);
/* The relay of this start is remembered with "everyone is offline". */
void core_store_relay(struct core *c);
/* What the core knows and what is stored would no longer be the same: it ends,
 * and the one that is started next reads what is stored. */
void core_broken(struct core *c, const char *what);
/* The api is told soon that something was committed. */
void core_wake(struct core *c);
/* Stores and announces an event: kind "action", "answer" or "agent". */
void core_event(struct core *c, const char *kind, const char *json);

#endif
