/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Work that other threads do ahead and that comes back in the order in which it
 * was given. A ring of places, which one thread, the owner, fills and empties:
 *
 *   crew_next -> (fill the place) -> crew_add
 *      -> work(), by any thread -> crew_first -> crew_drop
 *
 * What no thread has begun when the owner waits for it, the owner does itself.
 * No signal is taken by the threads: they interrupt the owner.
 */
#ifndef MIG_BASE_CREW_H
#define MIG_BASE_CREW_H

#include <stdbool.h>
#include <stddef.h>

struct crew;
struct err;

#define CREW_MAX 64   /* threads */
#define CREW_OWNER -1 /* as hand: it is the owner */

/* hand: which of the threads, from 0 on, or CREW_OWNER. */
typedef void crew_work(size_t place, int hand, void *arg);

/* ERR_NOMEM; ERR_UNSUPPORTED: there may be no threads. Fewer than asked for
 * are no error. */
int crew_new(unsigned int threads, size_t places, crew_work *work, void *arg,
    struct crew **ret, struct err *e);
/* Waits for what is being done; what was not begun is not done. */
void crew_free(struct crew *c);

/* False: every place is taken. */
bool crew_next(const struct crew *c, size_t *ret_place);
/* at_once: it takes long, or is waited for; else threads that sleep are woken
 * when there is some more to do. */
void crew_add(struct crew *c, bool at_once);
/* How many places are taken. */
size_t crew_used(const struct crew *c);
/* The oldest place, once its work is done. 0: only if it is. Else the owner
 * works for as long as there is something that nobody has begun, and then waits
 * until so many ms after the call. */
bool crew_first(struct crew *c, int ms, size_t *ret_place);
/* After crew_first was true. */
void crew_drop(struct crew *c);

#endif
