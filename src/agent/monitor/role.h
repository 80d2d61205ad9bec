/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A long-lived child that answers one question at a time (verify, judge): its
 * start, its time limits, its restarts. Any failure of the child is reported
 * to the asker and never more than that.
 *
 *            spawn            READY              ask
 *  STOPPED ---------> STARTING ------> READY <---------> ASKED
 *     ^  backoff         |               |   1,000 asks    | crash, time-out,
 *     `--- (child gone) -+---- DYING <---+-----------------' wrong message
 */
#ifndef MIG_AGENT_MONITOR_ROLE_H
#define MIG_AGENT_MONITOR_ROLE_H

#include "agent/messages.h"

struct proc_loop;
struct role;

struct role_spec {
	const char *name;    /* for messages */
	const char *program; /* beside or below the agent's own program */
	enum role_kind kind;
	uint16_t start, ready, failed; /* message types */
	size_t max_body;               /* largest message of the child */
};

/* Appends the body of the start message. */
typedef int role_fill(struct buf *out, void *arg, struct err *e);
/* The child is ready (code 0, its message), or said why it cannot be
 * (ERR_INVALID, text), or two in a row ended before they were (ERR_CLOSED,
 * how). It is started again and again all the same. */
typedef void role_on_ready(struct role *r, int code, const void *body,
    size_t len, const char *text, void *arg);
/* code 0 and the answer, or ERR_CLOSED, ERR_TIMEOUT, ERR_INVALID: then
 * role_why() is how it ended. */
typedef void role_on_answer(int code, const void *body, size_t len, void *arg);

struct role *role_new(struct proc_loop *loop, const struct role_spec *spec,
    role_fill *fill, role_on_ready *on_ready, void *arg);
/* An argument that says whose child it is, for who looks (modules/agent); kept
 * until the role is freed. */
void role_label(struct role *r, const char *label);
/* Kills the child; a pending question is dropped without answer. */
void role_free(struct role *r);
int role_start(struct role *r, struct err *e);
/* Starts the child anew: what it was told at its start has changed. */
void role_restart(struct role *r);
/* One question; copied. type is sent, want is the expected answer's type.
 * ERR_BUSY while another is open. */
int role_ask(struct role *r, uint16_t type, uint16_t want, const void *body,
    size_t len, role_on_answer *on_answer, void *arg);
/* How the last child failed or ended, in words; "" while it has not. */
const char *role_why(const struct role *r);
/* So many seconds for the next question (usually one). */
void role_patience(struct role *r, int seconds);

#endif
