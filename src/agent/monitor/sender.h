/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Sending spooled answers: one part on the wire, the next after its
 * acknowledgement. What stays unacknowledged is sent again after 10, 20, ...
 * 300 s, each +-25 %; others have the wire meanwhile.
 */
#ifndef MIG_AGENT_MONITOR_SENDER_H
#define MIG_AGENT_MONITOR_SENDER_H

#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent;
struct sender;

struct sender *sender_new(struct agent *a);
void sender_free(struct sender *s);
/* Queues an answer that was just put into the spool. */
void sender_add(struct sender *s, const struct id *id);
/* The same for one that was there before (after a start; when the server asks
 * for it again): looked at before it is sent (answer_intact). */
void sender_again(struct sender *s, const struct id *id);
void sender_up(struct sender *s, bool up);
void sender_acked(struct sender *s, const struct id *id, uint16_t part,
    uint16_t of, bool complete);
bool sender_idle(const struct sender *s);

#endif
