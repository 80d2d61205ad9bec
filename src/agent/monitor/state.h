/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The state directory:
 *   lock        held while an agent uses the directory
 *   identity    who this agent is (crypto/identity.h)
 *   machine     what the identity is bound to, hex
 *   policy      the policy in force
 *   policy.hash what it must hash to, and the one before it
 *   relay       host:port, from enrolment
 *   enrolment   the token it was enrolled with (its hash) and the proof of
 *               that, when a client made the token; the SHA-256 of the two
 *   ca.crt, agent.crt, agent.key
 *               the connection's certificates, from enrolment
 *   journal, record, spool/
 */
#ifndef MIG_AGENT_MONITOR_STATE_H
#define MIG_AGENT_MONITOR_STATE_H

#include "base/buf.h"
#include "crypto/identity.h"

struct err;

struct state {
	const char *dir; /* borrowed */
	int lock;
	struct identity who;
	struct id token, proof; /* of its enrolment; zeros: none */
};

/* ERR_DENIED when the directory or what is directly in it is of another user
 * than root and this process's, or others may write it. */
int state_owned(const char *dir, struct err *e);
/* Makes the directory (0700) and takes the lock: ERR_BUSY when another agent
 * has it, ERR_DENIED when it is not owned (above). The identity is not read
 * yet. */
int state_open(const char *dir, struct state *ret, struct err *e);
/* The same for a look: nothing is made, nothing is locked for longer than a
 * moment. ERR_NOTFOUND when there is no directory. */
int state_look(
    const char *dir, struct state *ret, bool *ret_running, struct err *e);
void state_close(struct state *s);
/* PATH_MAX bytes in out. */
void state_path(const struct state *s, const char *name, char *out);
/* Reads the identity (and what proves its enrolment) and compares the machine:
 * ERR_DENIED on a clone, ERR_NOTFOUND when there is none. */
int state_identity(struct state *s, struct err *e);
/* A new identity, bound to this machine; an old one is put aside. */
int state_identity_new(struct state *s, struct err *e);
/* Appends a file of the directory; ERR_NOTFOUND when missing. */
int state_read(
    const struct state *s, const char *name, struct buf *out, struct err *e);
int state_write(const struct state *s, const char *name, const void *data,
    size_t len, struct err *e);
/* The policy in force, as it was installed: ERR_INVALID when a bit of it has
 * changed since, ERR_NOTFOUND when there is none. */
int state_policy_read(const struct state *s, struct buf *out, struct err *e);
/* Without one nothing can have run here. */
bool state_has_policy(const struct state *s);
int state_policy_write(
    const struct state *s, const void *text, size_t len, struct err *e);

/* What a renewal brought: F ca, F certificate, F key, then their SHA-256. It is
 * used instead of ca.crt, agent.crt and agent.key. */
#define STATE_RENEWED "tls.renewed"
/* With which token this identity is enrolled; zeros: one that proves nothing.
 */
int state_enrolment_write(const struct state *s, const struct id *token,
    const struct id *proof, struct err *e);
/* Fine when it is not there. */
int state_remove(const struct state *s, const char *name, struct err *e);

#endif
