/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A program's API key instead of a person's session: in a file that only its
 * owner reads, which the configuration or the environment names. The key itself
 * is in neither, and never on a command line. The file:
 *   mig-key-<64 hex digits>
 *   ca <64 hex digits>        whose key it is; may be missing
 */
#ifndef MIG_CLIENT_API_APIKEY_H
#define MIG_CLIENT_API_APIKEY_H

#include "client/client.h"

#define APIKEY_PREFIX "mig-key-" /* before the secret, in hex */
#define APIKEY_SECRET_LEN 32
#define APIKEY_LEN (8 + 2 * APIKEY_SECRET_LEN)
#define APIKEY_CA "ca " /* before the fingerprint */
#define APIKEY_ENV "MIG_API_KEY_FILE"

/* Of the environment, else of the configuration, which is loaded; NULL: a
 * person logs in. Borrowed. */
const char *apikey_path(const struct client *c);
/* Fills c->api_key, or leaves it NULL when none is named. ERR_NOTFOUND,
 * ERR_DENIED (others can read or own the file), ERR_INVALID. */
int apikey_load(struct client *c, struct err *e);
/* ERR_AUTH: the file names another CA than the configuration. */
int apikey_fits(const struct client *c, struct err *e);
/* Both. */
int apikey_ensure(struct client *c, struct err *e);
/* Does the server take it, whatever it may do? */
int apikey_try(struct client *c, struct err *e);

#endif
