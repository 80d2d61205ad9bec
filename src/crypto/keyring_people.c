/* SPDX-License-Identifier: MPL-2.0 */
#include "crypto/keyring_people.h"

#include "base/err.h"
#include "base/hex.h"
#include "base/str.h"
#include "crypto/keyring.h"

#include <stdlib.h>
#include <string.h>

#define WORDS 5 /* of a line that matter */
#define WORD_MAX 64

struct people {
	int64_t now;
	uint8_t (*fprs)[PGP_FPR_LEN]; /* room for KEYRING_PERSONS_MAX */
	size_t n;
	uint8_t person[PGP_FPR_LEN]; /* of the lines being read */
	bool there, counted;         /* there is one; it is in fprs */
};

/* The first words of a line. One that is too long for what is wanted of it is
 * empty, and so refused: cut, a number would be another one. */
static void
split(const char *p, size_t len, char words[WORDS][WORD_MAX])
{
	size_t i = 0, at = 0, j;

	memset(words, 0, WORDS * WORD_MAX);
	for (j = 0; j < len && i < WORDS; j++) {
		if (p[j] == ' ') {
			i++;
			at = 0;
		} else if (at + 1 < WORD_MAX) {
			words[i][at++] = p[j];
		} else {
			words[i][0] = '\0';
		}
	}
}

static int
take_person(struct people *l, const char *fpr, struct err *e)
{
	if (hex_decode(fpr, l->person, PGP_FPR_LEN) != 0)
		return err_set(e, ERR_INVALID,
		    "keyring: a person has no fingerprint of 40 hex digits");
	l->there = true;
	l->counted = false;
	return 0;
}

static int
take_key(struct people *l, char words[WORDS][WORD_MAX], struct err *e)
{
	uint64_t created, expires;

	if (!l->there || str_u64(words[3], 0, UINT32_MAX, &created) != 0 ||
	    str_u64(words[4], 0, 2 * (uint64_t)UINT32_MAX, &expires) != 0)
		return err_set(
		    e, ERR_INVALID, "keyring: a key has no times or no person");
	if (l->counted || (int64_t)created > l->now ||
	    (expires != 0 && (int64_t)expires <= l->now))
		return 0;
	if (l->n == KEYRING_PERSONS_MAX)
		return err_set(e, ERR_TOOBIG, "keyring: more than %d persons",
		    KEYRING_PERSONS_MAX);
	memcpy(l->fprs[l->n++], l->person, PGP_FPR_LEN);
	l->counted = true;
	return 0;
}

static int
take_line(struct people *l, const char *p, size_t len, struct err *e)
{
	char words[WORDS][WORD_MAX];

	split(p, len, words);
	if (strcmp(words[0], "person") == 0)
		return take_person(l, words[1], e);
	if (strcmp(words[0], "key") == 0)
		return take_key(l, words, e);
	return 0;
}

int
keyring_people(const void *text, size_t len, int64_t now,
    uint8_t (**ret_fprs)[PGP_FPR_LEN], size_t *ret_n, struct err *e)
{
	struct people l = { .now = now };
	const char *p = text, *end = p + len, *line = memchr(p, '\n', len);
	int rc = 0;

	if (!str_is(
		p, (size_t)((line != NULL ? line : end) - p), KEYRING_HEADER))
		return err_set(e, ERR_INVALID,
		    "keyring: \"" KEYRING_HEADER
		    "\" is expected in the first line");
	l.fprs = calloc(KEYRING_PERSONS_MAX, sizeof(*l.fprs));
	if (l.fprs == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	while (rc == 0 && p < end) {
		line = memchr(p, '\n', (size_t)(end - p));
		if (line == NULL)
			line = end;
		rc = take_line(&l, p, (size_t)(line - p), e);
		p = line + 1;
	}
	if (rc != 0) {
		free(l.fprs);
		return rc;
	}
	*ret_fprs = l.fprs;
	*ret_n = l.n;
	return 0;
}
