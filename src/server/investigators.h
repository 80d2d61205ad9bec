/* SPDX-License-Identifier: MPL-2.0 */
/* Investigators as the server keeps them: each person's part of a plain
 * keyring (crypto/keyring.h). For the core and for admin commands. Changes
 * write the audit log. */
#ifndef MIG_SERVER_INVESTIGATORS_H
#define MIG_SERVER_INVESTIGATORS_H

#include "crypto/keyring.h"
#include "server/calls.h"

struct store;

struct investigators_add {
	const void *text; /* keyring text with at least one person */
	size_t len;
	const char *fpr;  /* "" or the one person's, which is compared */
	const char *name; /* "" or shown instead of the keyring's */
	/* 0: as before, and investigator for who is new */
	enum person_role role;
	enum person_role first; /* of the text's first person; 0: as role */
	int64_t now;            /* ms */
	const char *who;        /* does it: for the audit log */
};
/* Adds or replaces every person in the text, within the caller's transaction.
 * Refuses what keyring_parse() refuses, also all investigators together;
 * ERR_DENIED when no admin would be left. */
int investigators_add(struct store *s, const struct investigators_add *a,
    size_t *ret_n, struct err *e);
/* ERR_DENIED for the last admin. */
int investigators_remove(
    struct store *s, const char *fpr, const char *who, struct err *e);
/* ERR_DENIED for the last admin. */
int investigators_role(struct store *s, const char *fpr, enum person_role role,
    const char *who, struct err *e);
/* All of them as one keyring; may be empty. */
int investigators_keyring(struct store *s, struct keyring *ret, struct err *e);

#endif
