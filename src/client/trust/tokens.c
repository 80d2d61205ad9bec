/* SPDX-License-Identifier: MPL-2.0 */
#include "client/trust/tokens.h"

#include "base/err.h"
#include "base/str.h"
#include "client/trust/linesum.h"
#include "crypto/seal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int
by_hash(const void *a, const void *b)
{
	const struct token *x = a, *y = b;

	return memcmp(x->hash.b, y->hash.b, ID_LEN);
}

#define LINE_LEN (ENROL_TOKEN_TEXT_LEN + 64)

int
tokens_write(struct buf *out, const uint8_t secret[static ENROL_TOKEN_LEN],
    uint64_t made)
{
	char text[ENROL_TOKEN_TEXT_LEN + 1], sum[LINESUM_LEN + 1];
	size_t at = out->len;

	enrol_token_text(secret, text);
	buf_add_fmt(out, "%s %" PRIu64, text, made);
	secret_wipe(text, sizeof(text));
	if (out->error != 0)
		return out->error;
	linesum(out->data + at, out->len - at, sum);
	return buf_add_fmt(out, " %s\n", sum);
}

static int
read_line(const char *line, size_t len, struct token *ret)
{
	char text[LINE_LEN], *space, *sum;
	int r = ERR_INVALID;

	if (len >= sizeof(text) || memchr(line, '\0', len) != NULL)
		return ERR_INVALID;
	memcpy(text, line, len);
	text[len] = '\0';
	space = strchr(text, ' ');
	sum = space == NULL ? NULL : strchr(space + 1, ' ');
	if (sum != NULL &&
	    (strlen(sum + 1) != LINESUM_LEN ||
		!linesum_is(text, (size_t)(sum - text), sum + 1)))
		space = NULL;
	if (space != NULL) {
		*space = '\0';
		if (sum != NULL)
			*sum = '\0';
		r = str_u64(space + 1, 0, UINT64_MAX, &ret->made);
	}
	if (r == 0)
		r = enrol_token_parse(text, ret->secret);
	if (r == 0)
		enrol_token_hash(ret->secret, &ret->hash);
	secret_wipe(text, sizeof(text));
	return r;
}

int
tokens_parse(const void *text, size_t len, struct tokens *ret, struct err *e)
{
	const char *p = text, *end = p + len, *nl;
	struct tokens t = { NULL, 0 };
	size_t number = 0;

	t.list = calloc(TOKENS_MAX, sizeof(*t.list));
	if (t.list == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		number++;
		if (nl == NULL || t.n == TOKENS_MAX ||
		    read_line(p, (size_t)(nl - p), &t.list[t.n]) != 0) {
			tokens_release(&t);
			return err_set(e, ERR_INVALID,
			    "line %zu is not a token and its time, or damaged "
			    "(or there are more than %d)",
			    number, TOKENS_MAX);
		}
		t.n++;
	}
	qsort(t.list, t.n, sizeof(*t.list), by_hash);
	*ret = t;
	return 0;
}

void
tokens_release(struct tokens *t)
{
	if (t->list != NULL)
		secret_wipe(t->list, t->n * sizeof(*t->list));
	free(t->list);
	t->list = NULL;
	t->n = 0;
}

const struct token *
tokens_find(const struct tokens *t, const struct id *hash)
{
	struct token key = { .hash = *hash };

	if (t->n == 0)
		return NULL;
	return bsearch(&key, t->list, t->n, sizeof(key), by_hash);
}

enum token_verdict
tokens_check(const struct tokens *t, const struct id *token,
    const struct id *proof, const uint8_t pub[static IDENTITY_PUB_LEN])
{
	const struct token *mine = tokens_find(t, token);
	struct id want;

	if (mine == NULL)
		return TOKEN_UNCHECKED;
	enrol_token_proof(mine->secret, pub, &want);
	return id_equal(&want, proof) ? TOKEN_CHECKED : TOKEN_FORGED;
}

const char *
token_verdict_text(enum token_verdict v)
{
	static const char *const words[] = { "unchecked", "checked", "forged" };

	return words[v];
}
