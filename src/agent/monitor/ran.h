/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the own record says that has run here and may still be valid, held
 * against the journal at a start. A journal that somebody cut at its end looks
 * like one after a crash; what it has lost would run once more.
 */
#ifndef MIG_AGENT_MONITOR_RAN_H
#define MIG_AGENT_MONITOR_RAN_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct journal;
struct ran;

#define RAN_MAX 65536 /* the newest; the journal has no more either */

/* now: unix seconds. NULL: out of memory. */
struct ran *ran_new(int64_t now);
void ran_free(struct ran *r);
/* record_on_entry of the own record; arg is a struct ran, or NULL. */
int ran_note(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg);
/* Enters those that the journal does not know, as held: they ran. */
int
ran_hold(const struct ran *r, struct journal *j, size_t *ret_n, struct err *e);

#endif
