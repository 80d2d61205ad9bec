/* SPDX-License-Identifier: MPL-2.0 */
/* Is what somebody else made of an action's seal what it says? Looked at before
 * one's own name stands under it, or anybody is asked. */
#ifndef MIG_CLIENT_SIGN_SEALCHECK_H
#define MIG_CLIENT_SIGN_SEALCHECK_H

#include "action/document.h"
#include "client/sign/sign.h"

/* Whom the key is encrypted to, against whom the document names: those whose
 * keys are here one by one, the others by their number. ERR_AUTH. */
int sealcheck_readers(struct client *c, const struct action *a, struct err *e);
/* Does the document name a key of this person among its readers? */
bool sealcheck_names_me(struct client *c, const struct action *a);
/* Opens the key; ERR_AUTH when it is not the secret half of the seal. */
int sealcheck_open(struct client *c, const struct action *a,
    uint8_t ret_secret[static SEAL_KEY_LEN], struct err *e);
/* The readers; and who is one opens it. */
int sealcheck(struct client *c, const struct action *a, struct err *e);

#endif
