/* SPDX-License-Identifier: MPL-2.0 */
/* An action fetched back from the server, and the key that opens its
 * answers. */
#ifndef MIG_CLIENT_CMD_FETCHED_H
#define MIG_CLIENT_CMD_FETCHED_H

#include "action/document.h"
#include "client/client.h"
#include "crypto/seal.h"

#include <jansson.h>

struct fetched {
	json_t *root; /* what the server says; owned */
	struct action action;
	bool parsed;
	struct id id;
};

/* The document is what its id says, whatever the server answers. word: an id,
 * perhaps shortened, "last", or NULL for the last. Released on failure too. */
int fetched_get(
    struct client *c, const char *word, struct fetched *f, struct err *e);
/* The same of an id, and what the document says is not read: action is empty.
 */
int fetched_document(
    struct client *c, const char *id, struct fetched *f, struct err *e);
void fetched_release(struct fetched *f);
/* Appends it with its signatures, in binary form. */
int fetched_envelope(const struct fetched *f, struct buf *out, struct err *e);
/* Opens the seal key in the document itself, as one of the readers whom it
 * names; ERR_AUTH when what is in it is not the secret half of its seal. */
int fetched_open_own(struct client *c, const struct fetched *f,
    uint8_t ret_secret[static SEAL_KEY_LEN], struct err *e);
/* Opens the action's seal key as a reader that it names, else with one that
 * somebody has shared: in this file, or on the server when file is NULL. No key
 * is believed that is not the secret half of the action's seal. */
int fetched_open(struct client *c, const struct fetched *f, const char *file,
    uint8_t ret_secret[static SEAL_KEY_LEN], struct err *e);

/* share.c */
int cmd_results_share(struct client *c, const struct opts *o, struct err *e);
int cmd_results_forget(struct client *c, const struct opts *o, struct err *e);

#endif
