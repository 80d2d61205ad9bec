/* SPDX-License-Identifier: MPL-2.0 */
/*
 * swarm: thousands of agents in one process, for benches and load tests. To
 * server and relay they are real: each is enrolled by the real API, has an
 * identity and a certificate of its own, holds a TLS connection, signs its
 * hellos, and signs and seals its answers by the agent's own code. Only the
 * work is left out: what they answer was written beforehand.
 *
 *   swarm.c    the command line, commands on standard input, statistics
 *   enrol.c    enrolment, many at once; the file of agents
 *   conn.c     sockets, TLS, MQTT
 *   member.c   what an agent says and when: hello, pulls, answers
 *   rogue.c    agents that do not keep the rules
 */
#ifndef MIG_TESTS_LOAD_SWARM_H
#define MIG_TESTS_LOAD_SWARM_H

#include "base/buf.h"
#include "crypto/identity.h"
#include "mqtt/wire.h"

#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/types.h>

struct err;

enum member_kind {
	MEMBER_HONEST,
	MEMBER_MUTE,    /* connects and never answers an action */
	MEMBER_STUCK,   /* stops reading once it is connected */
	MEMBER_JUNK,    /* publishes rubbish as fast as it can */
	MEMBER_ENDLESS, /* begins answers of many parts, ends none */
	MEMBER_GREEDY,  /* asks for parts of envelopes without end, unread */
	MEMBER_KINDS
};

enum conn_state { CONN_OFF, CONN_TCP, CONN_TLS, CONN_MQTT, CONN_UP };

/* One action, as the agents together have seen it. */
struct task {
	struct id id;
	struct buf envelope; /* parts fall into place; whole when have == of */
	struct id hash;
	uint16_t of, have;
	bool *got; /* owned; of entries */
	bool whole;
	uint8_t seal_public[32];
	size_t noperations;
	int64_t expires; /* unix s */
	/* counts of agents */
	size_t reached, again, answered, stored;
	int64_t first_ms, last_ms; /* since the start: reached */
	struct task *next;
};

enum job_state { JOB_PULLING, JOB_ANSWERING, JOB_STORED, JOB_IGNORED };

/* One action of one agent: its journal and its spool. */
struct job {
	struct task *task;
	uint8_t state;
	uint16_t part; /* pulling: asked for; answering: on its way */
	unsigned int tries;
	int64_t due; /* mono ms: ask or send (again) */
	uint8_t *answer;
	size_t len;
	off_t spooled; /* where a large answer lies in the spool; -1: memory */
	struct job *next;
};

struct member {
	struct identity who;
	const uint8_t *cert; /* DER, in the file of agents */
	uint16_t cert_len;
	uint8_t kind, state;
	bool welcomed, writing;
	uint8_t unwelcome; /* hellos since the last welcome */
	int fd;
	SSL *ssl;
	uint16_t mid;
	uint64_t connection;
	uint32_t spread_ms, backoff_ms;
	int64_t due;       /* mono ms: next attempt to connect */
	int64_t ping, say; /* mono ms: next keepalive, next hello */
	int64_t roll;      /* mono ms: answers a roll call; 0: none */
	bool roll_hello;   /* and a hello is wanted, too */
	int64_t lost;      /* mono ms: when the connection went; 0: it is new */
	int64_t welcome;   /* mono ms: when the newest welcome came */
	uint64_t rogue;    /* what a rogue has sent */
	struct buf in, out;
	size_t out_at;
	struct job *jobs, *wire; /* wire: the one whose part is on its way */
	int64_t wire_until;
};

struct swarm_options {
	size_t agents, connecting, answer_bytes, kinds[MEMBER_KINDS];
	int64_t keepalive, interval; /* seconds */
};

struct swarm_counts {
	uint64_t connects, failed, losses, hellos, pings, puts, parts, again,
	    acks, wants, junk;
	/* of the first tries after the newest loss of all */
	int64_t wait_max, wait_min, waits, wait_sum;
	uint32_t spread_max;
};

struct swarm {
	struct swarm_options opt;
	struct member *members;
	size_t n, up, connecting, welcomed;
	SSL_CTX *tls;
	char relay_host[256];
	struct sockaddr_storage *addr;
	socklen_t addr_len;
	int epoll, spool;
	off_t spool_end;
	struct task *tasks;
	int64_t started, now; /* mono ms */
	bool first;           /* nobody was connected before: no waiting */
	struct swarm_counts count;
	char answer_json[1024];
	bool quit;
};

/* --- enrol.c */
struct swarm_file { /* the file of agents, mapped */
	const uint8_t *p;
	size_t len, n;
	char relay[300], ca[16384], key[8192];
	const uint8_t *first; /* record: u8[32] seed, u16 length, certificate */
};
int swarm_enrol(int argc, char **argv);
int swarm_file_open(const char *path, struct swarm_file *ret, struct err *e);

/* --- conn.c */
int conn_setup(struct swarm *s, const struct swarm_file *f, struct err *e);
void conn_start(struct swarm *s, struct member *m);
void conn_event(struct swarm *s, struct member *m, uint32_t events);
/* Ends it; reset: by a TCP reset. The next try comes by spread. */
void conn_drop(struct swarm *s, struct member *m, bool reset);
void conn_publish(struct swarm *s, struct member *m, enum wire_topic t,
    const void *data, size_t len, int qos);
void conn_ping(struct swarm *s, struct member *m);
size_t conn_queued(const struct member *m);

/* --- member.c */
void member_connected(struct swarm *s, struct member *m);
void member_lost(struct swarm *s, struct member *m);
void
member_message(struct swarm *s, struct member *m, const void *data, size_t len);
void member_tick(struct swarm *s, struct member *m);
void member_send(struct swarm *s, struct member *m, const struct wire_msg *w);
uint32_t swarm_chance(uint32_t below);

/* --- rogue.c */
void rogue_tick(struct swarm *s, struct member *m);

#endif
