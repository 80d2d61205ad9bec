/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What is to be asked of whom: read from flags or from a file, turned into a
 * document.
 */
#ifndef MIG_CLIENT_ASK_QUESTION_H
#define MIG_CLIENT_ASK_QUESTION_H

#include "action/document.h"
#include "client/client.h"
#include "client/sign/sign.h"
#include "crypto/seal.h"

#include <jansson.h>

/* A new document is valid from so many seconds before it is made: for agents
 * whose clock is behind. */
#define DRAFT_CLOCK_SLACK 60

/* What -cosign adds (client/sign/cosigners.h). */
#define COSIGN_READERS_MAX 32
struct cosign {
	bool on;
	size_t nrequired; /* -cosign-by: must sign */
	const char *required[SIGS_MAX];
	char text[SIGS_MAX][41];
	size_t nreaders; /* who could sign, by keys of the gpg keyring */
	char readers[COSIGN_READERS_MAX][41];
};

struct question {
	struct action_draft draft; /* borrows from below */
	json_t *root;              /* owned: file or operations made here */
	char *name, *target;       /* owned */
	bool online;               /* deliver only to who is online now */
	bool local;                /* this machine, no server */
	int64_t expire;            /* seconds */
	int64_t max_validity;      /* seconds, of the policy; 0: not known */
	struct cosign cosign;
	struct buf envelope; /* a signed document that is sent as it is: the
				binary form; empty: to be built */
};

void question_release(struct question *q);
/* An empty question of modules' flags; the command line is its default name.
 * Each question_add puts one operation to it. */
int
question_begin(struct question *q, int argc, char *const *argv, struct err *e);
struct module;
int question_add(struct question *q, const struct module *m,
    const struct opts *o, struct err *e);
/* From a file: version 3 (document, draft or signed envelope) or 2. */
int question_from_file(struct question *q, const char *path, struct err *e);
/* -t of the command line, NULL when it is not there. An empty one is refused:
 * it would be everybody, and is mostly a variable that is not set. */
int question_whom(const struct opts *o, const char **ret, struct err *e);
/* -t, -n, -e, -weight of the command line over what is there. */
int question_complete(
    struct question *q, struct client *c, const struct opts *o, struct err *e);
/* Who will be able to read the answers. */
int question_readers(const struct question *q, struct client *c,
    const struct opts *o, struct sign_readers *ret, struct err *e);
/* Appends the document's bytes; the seal's secret half goes to ret_secret
 * (the caller wipes it). */
int question_build(struct question *q, struct client *c, const struct opts *o,
    struct buf *out, uint8_t ret_secret[static SEAL_KEY_LEN], struct err *e);
/* Appends the draft as JSON for people: without nonce, times and seal, which
 * come when it is launched; but with those who could read the answers. */
int question_draft_text(const struct question *q, struct client *c,
    const struct opts *o, struct buf *out, struct err *e);

#endif
