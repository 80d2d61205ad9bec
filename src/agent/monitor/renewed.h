/* SPDX-License-Identifier: MPL-2.0 */
/* What a renewal of the certificate brought (STATE_RENEWED of the state): it
 * is used instead of what enrolment brought. A disk that does not take it is
 * tried again: the certificate before it ends long before the next renewal. */
#ifndef MIG_AGENT_MONITOR_RENEWED_H
#define MIG_AGENT_MONITOR_RENEWED_H

#include "base/buf.h"

struct rd;
struct state;

struct renewed {
	struct buf text; /* not on the disk yet; empty: nothing */
};

void renewed_init(struct renewed *r);
void renewed_release(struct renewed *r);
/* F ca, F certificate, F key, as net says them. */
void renewed_take(struct renewed *r, const struct state *s, struct rd *body);
/* Writes what the disk did not take before. */
void renewed_keep(struct renewed *r, const struct state *s);
/* Appends the three fields, checked; false when there are none or they are
 * damaged. */
bool
renewed_add(const struct renewed *r, const struct state *s, struct buf *out);

#endif
