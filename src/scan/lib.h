/* SPDX-License-Identifier: MPL-2.0 */
/* Libraries that are loaded only when a question needs them. A library stays
 * loaded for the life of the process. */
#ifndef MIG_SCAN_LIB_H
#define MIG_SCAN_LIB_H

#include <stdbool.h>
#include <stddef.h>

struct err;

struct lib_symbol {
	const char *name;
	void *slot; /* address of the function pointer to fill in */
};

/* Once, whichever thread comes first: *loaded says that it was done.
 * ERR_UNSUPPORTED names the library or symbol that is missing; the slots are
 * filled only on success. */
int lib_load(const char *soname, const struct lib_symbol *symbols, size_t n,
    bool *loaded, struct err *e);

/* Called before each loading: from then on other people's code sees bytes of
 * the host. NULL: nobody wants to know. */
void lib_on_load(void (*tell)(void));

#endif
