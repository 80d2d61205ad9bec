/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Is what the store has of an action still the action? A database has no
 * checksums: a changed bit would show another question under an id, or send
 * what no agent believes and expect answers to it.
 */
#ifndef MIG_SERVER_STORED_H
#define MIG_SERVER_STORED_H

struct err;
struct store_action;

/* With its envelope: the document is the one that the id names. ERR_INVALID
 * and in words what is not. */
int stored_document(const struct store_action *a, struct err *e);
/* And the columns beside it say what the document says. */
int stored_action(const struct store_action *a, struct err *e);

#endif
