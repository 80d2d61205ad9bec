/* SPDX-License-Identifier: MPL-2.0 */
/* What anybody who may log in can have told in the audit log as often as he
 * likes is bounded: entries stay for years. */
#ifndef MIG_SERVER_CORE_NOTES_H
#define MIG_SERVER_CORE_NOTES_H

#include <stdbool.h>
#include <stdint.h>

#define NOTES_A_MINUTE 120 /* of a person */

struct core;

/* Refuses and returns false when there were too many. */
bool core_may_note(struct core *c, uint32_t request, const char *fpr);

#endif
