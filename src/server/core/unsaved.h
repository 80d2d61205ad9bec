/* SPDX-License-Identifier: MPL-2.0 */
/* Core: what the store could not take; see unsaved.c. */
#ifndef MIG_SERVER_CORE_UNSAVED_H
#define MIG_SERVER_CORE_UNSAVED_H

#include <stdbool.h>
#include <stddef.h>

struct agent;
struct core;
struct core_job;
struct unsaved;

struct unsaved *unsaved_new(void);
void unsaved_free(struct unsaved *u);
/* From done(): a change that nobody waits for and that must not be lost.
 * Takes the job and tries it again when the store is well, or returns false:
 * it was written, or cannot be. */
bool unsaved_job(struct core_job *j);
/* To the writer, behind those that wait. */
void unsaved_submit(struct core_job *j);
/* The same for what is known of an agent: its newest state, and its hello
 * (copied; NULL: not that) is written again. */
void
unsaved_agent(struct core *c, struct agent *a, const void *hello, size_t len);
/* Nobody is connected to the relay of this start. */
void unsaved_relay(struct core *c);
bool unsaved_has_relay(const struct core *c);
/* With each tick: what waits goes to the writer again, a little at a time. */
void unsaved_tick(struct core *c);

#endif
