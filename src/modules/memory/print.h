/* SPDX-License-Identifier: MPL-2.0 */
/* Answers of the memory module for people and for spreadsheets. */
#ifndef MIG_MODULES_MEMORY_PRINT_H
#define MIG_MODULES_MEMORY_PRINT_H

#include "modules/module.h"

int memory_print(const json_t *result, const char *prefix, enum print_show show,
    struct buf *out, struct err *e);
int memory_csv(
    const json_t *result, const char *prefix, struct buf *out, struct err *e);
extern const char *const memory_ordinary[];

#endif
