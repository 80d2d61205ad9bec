/* SPDX-License-Identifier: MPL-2.0 */
/* The SQL functions that are ours: ->> (text always), in_net, and ILIKE. */
#ifndef MIG_TARGET_FUNCTIONS_H
#define MIG_TARGET_FUNCTIONS_H

#include <sqlite3.h>

struct err;

/* Registers them with db. */
int target_functions_add(sqlite3 *db, struct err *e);

#endif
