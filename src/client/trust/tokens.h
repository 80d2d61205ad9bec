/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The enrolment tokens that were made here, or imported: a line each,
 * "TOKEN UNIXTIME SUM" (linesum.h; before there were sums, without), in
 * ~/.local/share/mig/tokens (mode 0600). They are kept
 * after their end: who was enrolled with one is checked with it for ever.
 */
#ifndef MIG_CLIENT_TRUST_TOKENS_H
#define MIG_CLIENT_TRUST_TOKENS_H

#include "base/buf.h"
#include "crypto/enroltoken.h"

struct err;

#define TOKENS_MAX 10000
#define TOKENS_FILE_MAX (2u * 1024 * 1024)

struct token {
	struct id hash;
	uint8_t secret[ENROL_TOKEN_LEN];
	uint64_t made; /* unix s */
};

struct tokens {
	struct token *list; /* owned; by hash once parsed */
	size_t n;
};

/* ERR_INVALID names the line. On failure nothing needs releasing. */
int
tokens_parse(const void *text, size_t len, struct tokens *ret, struct err *e);
/* Appends a line; 0 or out->error. */
int tokens_write(struct buf *out, const uint8_t secret[static ENROL_TOKEN_LEN],
    uint64_t made);
/* Wipes. */
void tokens_release(struct tokens *t);
const struct token *tokens_find(const struct tokens *t, const struct id *hash);

enum token_verdict {
	TOKEN_UNCHECKED, /* it names none, or one that is not known here */
	TOKEN_CHECKED,   /* enrolled by who had this token */
	TOKEN_FORGED,    /* it names one of ours, and its proof is wrong */
};
/* Of an agent's verified hello: what it says, and its key. */
enum token_verdict tokens_check(const struct tokens *t, const struct id *token,
    const struct id *proof, const uint8_t pub[static IDENTITY_PUB_LEN]);
const char *token_verdict_text(enum token_verdict v);

#endif
