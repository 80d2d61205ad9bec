/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What judge answers about an action: its verdict, and whose signature counts:
 * who brings weight, or whom require names, and not before the journal begins
 * (doc/adr/0042). u16 counted behind the verdict, bit i for signer i of the
 * question, so that judge can leave out and never add.
 */
#ifndef MIG_AGENT_JUDGED_H
#define MIG_AGENT_JUDGED_H

#include "agent/messages.h"

int judge_answer_write(
    const struct judge_verdict *v, uint16_t counted, struct buf *out);
/* Refuses bits beyond n, the number of signers that were told, and what may run
 * and nobody's signature carries. */
int judge_answer_parse(const void *data, size_t len, size_t n,
    struct judge_verdict *ret, uint16_t *ret_counted);

#endif
