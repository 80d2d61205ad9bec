/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Telling the endpoint's owner that something was asked: a line to syslog, or
 * a message on the desktops of this host by a helper process. It never waits
 * and never fails an action: what cannot be told is counted, and the next
 * notice says how many were left out.
 */
#ifndef MIG_AGENT_MONITOR_NOTICE_H
#define MIG_AGENT_MONITOR_NOTICE_H

#include "agent/messages.h"

struct agent_conf;
struct buf;
struct notice;
struct proc_loop;

/* c and l are borrowed. */
struct notice *notice_new(const struct agent_conf *c, struct proc_loop *l);
void notice_free(struct notice *n);
/* An action that was accepted. */
void notice_accepted(struct notice *n, const struct judge_verdict *v,
    const struct verify_verdict *by);
/* Appends what is said of it: one printable line of at most 1 KiB. */
void notice_text(const struct judge_verdict *v, const struct verify_verdict *by,
    struct buf *out);

#endif
