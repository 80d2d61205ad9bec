/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The ssh-agent that SSH_AUTH_SOCK names (draft-ietf-sshm-ssh-agent): which
 * keys it holds, and a signature by one of them. Those of kinds that sign
 * for MIG (crypto/sshkey.h) are listed apart from the others. Each call has its
 * own connection and its end in time; what the agent says is bounded and read
 * strictly.
 */
#ifndef MIG_CLIENT_SSH_SSHAGENT_H
#define MIG_CLIENT_SSH_SSHAGENT_H

#include "client/ssh/sshpub.h"

#define SSHAGENT_KEYS_MAX 64
#define SSHAGENT_WHY_MAX 320
#define SSHAGENT_ANSWER_MAX (256 * 1024)
#define SSHAGENT_LIST_MS 10000
#define SSHAGENT_SIGN_MS 120000 /* people look for their security key */

/* One that does not sign for MIG. */
struct sshagent_other {
	char fpr[SSHPUB_FPR_MAX]; /* as ssh-add -l shows it */
	char why[SSHAGENT_WHY_MAX];
};

struct sshagent_keys {
	struct sshpub list[SSHAGENT_KEYS_MAX];
	size_t n;
	struct sshagent_other other[SSHAGENT_KEYS_MAX];
	size_t nother;
	size_t left; /* more than there is room for */
};

/* ERR_NOTFOUND: no agent is there; ERR_TIMEOUT; ERR_INVALID: it answers what
 * no agent does. */
int sshagent_list(struct sshagent_keys *ret, struct err *e);
/* Appends the signature's inner form (string kind, ...). ERR_DENIED: it says
 * no, which is all it says. */
int sshagent_sign(const struct sshpub *key, const void *data, size_t len,
    struct buf *out, struct err *e);

/* One question within so many milliseconds; the body of the answer, without its
 * length, is appended. */
int sshagent_ask(
    const struct buf *question, int64_t ms, struct buf *answer, struct err *e);
/* Such bodies. */
int sshagent_read_list(
    const void *body, size_t len, struct sshagent_keys *ret, struct err *e);
int sshagent_read_signature(
    const void *body, size_t len, struct buf *out, struct err *e);

#endif
