/* SPDX-License-Identifier: MPL-2.0 */
/* Opening the own record, also where it was lost: by the agent's start, and by
 * an enrolment that comes before it. */
#ifndef MIG_AGENT_MONITOR_OWNOPEN_H
#define MIG_AGENT_MONITOR_OWNOPEN_H

#include "record/record.h"

#include <stdbool.h>

struct journal;
struct spool;

/* There was a record: the journal has not begun just now, or there are answers.
 * spool_dir: where they lie. */
bool own_expected(bool had_journal, const char *spool_dir);
/* path: of the record. One that is damaged is put aside as PATH.damaged-<now>;
 * a new one then says so, and one that took the place of a lost one (expected:
 * there was one) does too: also when a crash, or whoever cut it, left one
 * without any entry. Before there is a new one, the spool's small answers
 * are vouched for: after a crash in between it would look as if it had always
 * been theirs. on_entry, arg: as of record_open. */
int own_open(const char *path, struct spool *spool, bool expected,
    record_on_entry *on_entry, void *arg, struct record **ret, struct err *e);
/* That the journal beside it was damaged or gone, in log and record; nothing
 * when it was not. */
int own_say_journal(
    struct record *r, const struct journal *j, const char *path, struct err *e);

#endif
