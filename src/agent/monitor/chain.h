/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Taking the next policy: one at a time, one step of the chain each.
 *
 *   IDLE --envelope--> VERIFY ------> JUDGE ------> KEYRING --recorded,-> ROLES
 *     ^  (net paused)  who signed,    may they, is  does    written and  start
 *     |                by today's     it the next,  verify  synced       anew
 *     |                keyring        open, whole   read it                |
 *     `---- refused, with a reason, or in force <--------------------------'
 *
 * Until it is written nothing has changed; from then on it is in force, also
 * after a crash. Actions whose operations have begun go on; those that wait
 * were judged by a policy that is no more, and are refused.
 */
#ifndef MIG_AGENT_MONITOR_CHAIN_H
#define MIG_AGENT_MONITOR_CHAIN_H

#include "agent/messages.h"

#include <stdbool.h>

struct agent;
struct chain;
struct jsonw;

struct chain *chain_new(struct agent *a);
void chain_free(struct chain *c);
bool chain_busy(const struct chain *c);
/* An announced policy: is it to be fetched? */
bool chain_wanted(const struct chain *c, const struct id *hash);
/* Takes a copy of the pieces (messages.h). ERR_INVALID when they are malformed,
 * ERR_BUSY while another is looked at. */
int chain_submit(struct chain *c, const void *pieces, size_t len);
/* Verify and judge are ready with the policy on the disk. */
void chain_ready(struct chain *c);
/* Appends "refused": {"hash", "version", "reason"} when the newest policy that
 * people signed was not taken. */
void chain_say_refused(const struct chain *c, struct jsonw *w);

#endif
