/* SPDX-License-Identifier: MPL-2.0 */
/* Checks that no file passes, alone or together: such a search is refused when
 * it is asked, as its answer would read like "not there". */
#ifndef MIG_MODULES_FILE_POSSIBLE_H
#define MIG_MODULES_FILE_POSSIBLE_H

#include "modules/file/param.h"

/* ERR_INVALID when the expression matches none of the modes that a file can
 * have, as go_mode() writes them. One that is long or of Unicode is not looked
 * at. */
int file_mode_possible(const char *expression, struct err *e);

/* ERR_INVALID when two checks of a matchall search certainly exclude each
 * other, whatever the file: ranges of sizes or times without a common point,
 * two digests of one algorithm, an expression and its "!". Kinds that
 * options.mismatch turns around are not looked at. where: "searches.LABEL". */
int file_search_possible(
    const struct file_search *s, const char *where, struct err *e);

#endif
