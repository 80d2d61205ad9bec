/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Reading the server's audit log (action/audit.h) without believing the
 * server: the chain is computed here, and compared with the newest entry that
 * this machine has seen before.
 *
 *   {"type": "start", "n", "chain"}          what the first entry follows
 *   {"type": "entry", "n", "chain", "text"}
 *   {"type": "end", "n", "chain"}            the newest
 */
#ifndef MIG_CLIENT_TRUST_AUDITLOG_H
#define MIG_CLIENT_TRUST_AUDITLOG_H

#include "action/audit.h"
#include "base/err.h"

#include <stdbool.h>

/* text: of the entry, verified; it need not be JSON. */
typedef int auditlog_on_entry(
    const struct audit_head *head, const char *text, size_t len, void *arg);

struct auditlog {
	struct audit_head known; /* seen before; n 0: nothing */
	auditlog_on_entry *on_entry;
	void *arg;
	/* private: */
	struct audit_head at, start;
	bool started, ended;
	bool known_seen; /* and it is the same */
	struct err err;
};

/* One line of the answer. ERR_INVALID: it is none; ERR_AUTH: the log is not
 * what was written, or not the one that was seen before. log->err in words. */
int auditlog_line(const char *text, size_t len, void *log);
/* After the last line: ERR_AUTH also when the log is shorter than it was. */
int auditlog_end(struct auditlog *log);
/* Was what is known among it? Else what lies between known and the start was
 * not seen (it was removed, or not asked for). */
bool auditlog_reached_known(const struct auditlog *log);

/* What is remembered: "N CHAIN SUM\n". A changed bit would be another head, and
 * the server would be said to have written its log anew. */
#define AUDITLOG_HEAD_MAX 128
size_t auditlog_head_write(
    const struct audit_head *h, char out[static AUDITLOG_HEAD_MAX]);
/* Also without the sum, as it was before; ERR_INVALID. */
int auditlog_head_parse(const void *text, size_t len, struct audit_head *ret);

#endif
