/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the printers of all modules share. An answer comes from outside:
 * missing or wrong members are passed over, text is made safe for a terminal.
 */
#ifndef MIG_MODULES_PRINT_H
#define MIG_MODULES_PRINT_H

#include "modules/module.h"

/* A member that is a string, else "". */
const char *print_str(const json_t *obj, const char *key);
/* A member that is a number, else 0. */
double print_num(const json_t *obj, const char *key);
/* Appends text as a terminal may have it. */
void print_add(struct buf *out, const char *s);

/*
 * The end of every printer: the line "PREFIXnote: ended after N files, at PATH"
 * (processes) where statistics.endedat says how far it came before a limit,
 * lines "PREFIXerror: TEXT" (with SHOW_ALL, or when
 * the answer says success false), then the line "PREFIXnot examined: N WORD,
 * ..." of statistics.notexamined, words of module->ordinary with SHOW_ALL only,
 * then lines "PREFIXnote: TEXT" of statistics.narrowed (modules/narrow.h), when
 * something was found or with SHOW_ALL.
 * Returns what the printer returns.
 */
int print_end(const struct module *m, const json_t *result, const char *prefix,
    enum print_show show, struct buf *out, struct err *e);

/* CSV (RFC 4180 section 2): a quoted field, made printable; what a spreadsheet
 * would take for a formula gets a quote before it. No comma is put. */
void csv_add(struct buf *out, const char *s);
/* What csv functions return. */
int csv_end(struct buf *out, struct err *e);

/* --- masks (module.mask) -----------------------------------------------------
 */

/* Replaces a string member that is there and not empty by "masked". */
int mask_str(json_t *obj, const char *key);
/* Every text of result.errors: they name files, processes, addresses. */
int mask_errors(json_t *result);

#endif
