/* SPDX-License-Identifier: MPL-2.0 */
/* How answers of the file module are shown (modules/module.h). The answer
 * comes from outside: missing or wrong members are passed over. */
#ifndef MIG_MODULES_FILE_PRINT_H
#define MIG_MODULES_FILE_PRINT_H

#include "modules/module.h"

extern const char *const file_ordinary[];

int file_print(const json_t *result, const char *prefix, enum print_show show,
    struct buf *out, struct err *e);
int file_csv(
    const json_t *result, const char *prefix, struct buf *out, struct err *e);

#endif
