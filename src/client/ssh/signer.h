/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Signing with a key that ssh-agent holds. The signer is named in the
 * configuration: "ssh:SHA256:..." as ssh-keygen -l and ssh-add -l show it, or
 * the path of its public half (id_ed25519.pub).
 */
#ifndef MIG_CLIENT_SSH_SIGNER_H
#define MIG_CLIENT_SSH_SIGNER_H

#include "base/buf.h"
#include "client/ssh/sshpub.h"
#include "crypto/purpose.h"

struct err;

#define SIGNER_PREFIX "ssh:"

/* Is it one of the two forms? ERR_INVALID. */
int signer_check_name(const char *name, struct err *e);
/* What keyrings name the key by (crypto/sshkey.h); no agent is asked. */
int
signer_fpr(const char *name, uint8_t ret[static PGP_FPR_LEN], struct err *e);
/* Finds the key in the agent. ERR_NOTFOUND: it is not loaded, or no agent;
 * ERR_UNSUPPORTED: it is of a kind that does not sign for MIG, or there as a
 * certificate only. */
int signer_find(const char *name, struct sshpub *ret, struct err *e);
/* Appends one sshsig that every endpoint accepts from this key; what the agent
 * gives is checked before. A security key waits for a touch: say so first
 * (ret of signer_find: sk). */
int signer_sign(const struct sshpub *key, enum purpose p, const void *data,
    size_t len, struct buf *out, struct err *e);

#endif
