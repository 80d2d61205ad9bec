/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/monitor/renewed.h"

#include "agent/monitor/state.h"
#include "base/err.h"
#include "base/log.h"
#include "crypto/sha256.h"

#include <string.h>

#define TEXT_MAX 65536

static void
wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_release(b);
}

void
renewed_init(struct renewed *r)
{
	buf_init(&r->text, TEXT_MAX);
}

void
renewed_release(struct renewed *r)
{
	wipe(&r->text);
}

void
renewed_take(struct renewed *r, const struct state *s, struct rd *body)
{
	struct id sum;

	renewed_release(r);
	renewed_init(r);
	sha256(body->p, body->left, &sum);
	buf_add(&r->text, body->p, body->left);
	buf_add(&r->text, sum.b, ID_LEN);
	if (r->text.error == 0) {
		renewed_keep(r, s);
		return;
	}
	log_error("renewed why=%s", log_quote(err_text(r->text.error)));
	renewed_release(r);
	renewed_init(r);
}

/* One file, renamed into place: the old or the new, whatever happens. */
void
renewed_keep(struct renewed *r, const struct state *s)
{
	struct err e;

	if (r->text.len == 0)
		return;
	err_clear(&e);
	if (state_write(s, STATE_RENEWED, r->text.data, r->text.len, &e) != 0) {
		log_error("renewed why=%s effect=%s", log_quote(e.msg),
		    log_quote("kept in memory, and written later"));
		return;
	}
	log_info("renewed");
	renewed_release(r);
	renewed_init(r);
}

static bool
is_whole(const struct buf *b)
{
	struct id sum;

	if (b->len <= ID_LEN)
		return false;
	sha256(b->data, b->len - ID_LEN, &sum);
	return memcmp(sum.b, b->data + b->len - ID_LEN, ID_LEN) == 0;
}

bool
renewed_add(const struct renewed *r, const struct state *s, struct buf *out)
{
	struct buf b;
	struct err e;
	bool there, ok;

	if (r->text.len > 0) {
		buf_add(out, r->text.data, r->text.len - ID_LEN);
		return true;
	}
	err_clear(&e);
	buf_init(&b, TEXT_MAX);
	there = state_read(s, STATE_RENEWED, &b, &e) == 0;
	if (!there && e.code != ERR_NOTFOUND)
		log_error("renewed why=%s", log_quote(e.msg));
	ok = there && is_whole(&b);
	if (ok)
		buf_add(out, b.data, b.len - ID_LEN);
	else if (there)
		log_error("renewed why=%s",
		    log_quote(STATE_RENEWED " is damaged: the certificate of"
					    " the enrolment is used"));
	wipe(&b);
	return ok;
}
