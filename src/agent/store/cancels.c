/* SPDX-License-Identifier: MPL-2.0 */
/* Cancels that are remembered; see cancels.h. */
#include "agent/store/cancels.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

void
signed_by_write(const struct signed_by *s, struct buf *out)
{
	buf_add_u8(out, s->n);
	buf_add(out, s->persons, (size_t)s->n * PGP_FPR_LEN);
}

void
signed_by_read(struct rd *r, struct signed_by *ret)
{
	size_t i;

	memset(ret, 0, sizeof(*ret));
	ret->n = rd_u8(r);
	if (ret->n > SIGS_MAX) {
		r->bad = true;
		ret->n = 0;
	}
	for (i = 0; i < ret->n; i++)
		rd_copy(r, ret->persons[i], PGP_FPR_LEN);
}

void
signed_by_good(const struct signer *signers, size_t n, struct signed_by *ret)
{
	size_t i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < n && ret->n < SIGS_MAX; i++) {
		if (signers[i].verdict == SIG_GOOD)
			memcpy(ret->persons[ret->n++], signers[i].person,
			    PGP_FPR_LEN);
	}
}

bool
signed_by_meet(const struct signed_by *a, const struct signed_by *b)
{
	size_t i, k;

	for (i = 0; i < a->n; i++) {
		for (k = 0; k < b->n; k++) {
			if (memcmp(a->persons[i], b->persons[k], PGP_FPR_LEN) ==
			    0)
				return true;
		}
	}
	return false;
}

int
cancelled_write(const struct cancelled *c, struct buf *out)
{
	buf_add(out, c->id.b, ID_LEN);
	buf_add(out, c->action.b, ID_LEN);
	buf_add_u64(out, (uint64_t)c->expires);
	buf_add_u8(out, c->right);
	signed_by_write(&c->by, out);
	buf_add_field(out, c->text, strlen(c->text));
	return out->error;
}

int
cancelled_read(struct rd *r, struct cancelled *ret)
{
	struct cancelled c;
	uint8_t right;

	memset(&c, 0, sizeof(c));
	rd_copy(r, c.id.b, ID_LEN);
	rd_copy(r, c.action.b, ID_LEN);
	c.expires = (int64_t)rd_u64(r);
	right = rd_u8(r);
	c.right = right == 1;
	signed_by_read(r, &c.by);
	rd_field_str(r, c.text, sizeof(c.text));
	if (!rd_done(r) || right > 1 || c.expires < 0)
		return ERR_INVALID;
	*ret = c;
	return 0;
}

void
cancels_init(struct cancels *t)
{
	TAILQ_INIT(&t->list);
	t->n = 0;
}

static size_t
drop(struct cancels *t, struct cancel_cell *c)
{
	size_t bytes = c->bytes;

	TAILQ_REMOVE(&t->list, c, entry);
	t->n--;
	free(c);
	return bytes;
}

void
cancels_release(struct cancels *t)
{
	struct cancel_cell *c;

	while ((c = TAILQ_FIRST(&t->list)) != NULL)
		(void)drop(t, c);
}

static size_t
drop_ended(struct cancels *t, int64_t now)
{
	struct cancel_cell *c, *next;
	size_t bytes = 0;

	for (c = TAILQ_FIRST(&t->list); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->pub.expires <= now)
			bytes += drop(t, c);
	}
	return bytes;
}

static bool
same_people(const struct cancel_cell *c, const struct cancelled *new)
{
	return !c->pub.right && signed_by_meet(&c->pub.by, &new->by);
}

static bool
has_room(const struct cancels *t, const struct cancelled *new)
{
	const struct cancel_cell *c;
	size_t n = 0;

	TAILQ_FOREACH (c, &t->list, entry)
		n += same_people(c, new);
	return t->n < CANCELS_MAX && (new->right || n < CANCELS_EACH);
}

/* Nobody can push out what others have cancelled by cancelling much that is
 * not theirs. */
static size_t
make_room(struct cancels *t, const struct cancelled *new)
{
	struct cancel_cell *c, *own = NULL, *weak = NULL;
	size_t n = 0;

	TAILQ_FOREACH (c, &t->list, entry) {
		if (c->pub.right)
			continue;
		if (weak == NULL)
			weak = c;
		if (!same_people(c, new))
			continue;
		if (own == NULL)
			own = c;
		n++;
	}
	if (!new->right && n >= CANCELS_EACH)
		return drop(t, own);
	if (t->n < CANCELS_MAX)
		return 0;
	return drop(t, weak != NULL ? weak : TAILQ_FIRST(&t->list));
}

bool
cancels_has(const struct cancels *t, const struct id *cancel)
{
	const struct cancel_cell *c;

	TAILQ_FOREACH (c, &t->list, entry) {
		if (id_equal(&c->pub.id, cancel))
			return true;
	}
	return false;
}

int
cancels_enter(struct cancels *t, const struct cancelled *c, size_t bytes,
    int64_t now, size_t *ret_dead)
{
	struct cancel_cell *cell;

	*ret_dead = bytes;
	if (cancels_has(t, &c->id))
		return 0;
	cell = calloc(1, sizeof(*cell));
	if (cell == NULL)
		return ERR_NOMEM;
	cell->pub = *c;
	cell->bytes = bytes;
	*ret_dead = has_room(t, c) ? 0 : drop_ended(t, now);
	*ret_dead += make_room(t, c);
	TAILQ_INSERT_TAIL(&t->list, cell, entry);
	t->n++;
	return 0;
}

const struct cancelled *
cancels_find(const struct cancels *t, const struct id *action,
    const struct signed_by *by, int64_t now)
{
	const struct cancel_cell *c;

	TAILQ_FOREACH (c, &t->list, entry) {
		if (id_equal(&c->pub.action, action) && c->pub.expires > now &&
		    (c->pub.right || signed_by_meet(&c->pub.by, by)))
			return &c->pub;
	}
	return NULL;
}
