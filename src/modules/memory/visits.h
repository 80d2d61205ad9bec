/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Processes whose memory is read by several threads while the next ones are
 * listed. They come back in the order in which they were given, so an answer
 * does not depend on the number of threads (base/crew.h, doc/adr/0049).
 *
 *   visits_next -> (list it, open it) -> visits_add -> [visit_read]
 *      -> visits_first -> (into the answer) -> visits_drop
 */
#ifndef MIG_MODULES_MEMORY_VISITS_H
#define MIG_MODULES_MEMORY_VISITS_H

#include "modules/memory/visit.h"

struct visits;

/* reader: the caller's, with which it reads what no thread has begun. percent:
 * of a core, for all threads together; 0: any. threads: the caller's is one.
 * ERR_NOMEM; ERR_UNSUPPORTED: there can be no threads, or visits of this plan
 * are too large or too expensive to begin for several. */
int
visits_new(const struct memory_plan *p, unsigned int threads, uint32_t percent,
    struct visit_reader *reader, struct visits **ret, struct err *e);
/* What is being read is left at once. The bytes that were read of what was not
 * dropped. */
uint64_t visits_free(struct visits *vs);
/* An empty one; NULL: there is no place. */
struct visit *visits_next(struct visits *vs);
void visits_add(struct visits *vs);
bool visits_any(const struct visits *vs);
/* The oldest, once it was read; ms as in crew_first. NULL: not yet, or none. */
struct visit *visits_first(struct visits *vs, int ms);
void visits_drop(struct visits *vs);

#endif
