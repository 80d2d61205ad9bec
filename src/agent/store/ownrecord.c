/* SPDX-License-Identifier: MPL-2.0 */
/* Entries of the agent's own record; see ownrecord.h. */
#include "agent/store/ownrecord.h"

#include "base/err.h"
#include "record/record.h"

#include <string.h>

#define ENTRY_MAX 8192

static int
put(struct record *r, enum own_type type, struct buf *b, struct err *e)
{
	int rc;

	if (b->error != 0)
		rc = err_set(e, b->error, "own record: %s", err_text(b->error));
	else
		rc = record_append(r, (uint16_t)type, b->data, b->len, e);
	buf_release(b);
	return rc == 0 && type != OWN_ASKED ? record_sync(r, e) : rc;
}

int
own_add_asked(struct record *r, const struct judge_verdict *v,
    const struct verify_verdict *by, int64_t time_ms, struct err *e)
{
	struct buf b;
	size_t i;

	buf_init(&b, ENTRY_MAX);
	buf_add_u64(&b, (uint64_t)time_ms);
	buf_add(&b, v->id.b, ID_LEN);
	buf_add_u16(&b, v->reason);
	buf_add_u8(&b, (uint8_t)verify_good(by));
	for (i = 0; i < by->n; i++) {
		if (by->signers[i].verdict != SIG_GOOD)
			continue;
		buf_add(&b, by->signers[i].person, PGP_FPR_LEN);
		buf_add(&b, by->signers[i].key, PGP_FPR_LEN);
	}
	buf_add_u8(&b, v->noperations);
	for (i = 0; i < v->noperations; i++)
		buf_add_u16(&b, v->modules[i]);
	buf_add_u64(&b, (uint64_t)v->valid_from);
	buf_add_u64(&b, (uint64_t)v->expire_after);
	buf_add_field(&b, v->name, strlen(v->name));
	buf_add_field(&b, v->target, strlen(v->target));
	buf_add_field(&b, v->detail, strlen(v->detail));
	return put(r, OWN_ASKED, &b, e);
}

int
own_add_answered(struct record *r, const struct own_answered *a, struct err *e)
{
	struct buf b;

	buf_init(&b, ENTRY_MAX);
	buf_add_u64(&b, (uint64_t)a->time_ms);
	buf_add(&b, a->id.b, ID_LEN);
	buf_add_u8(&b, a->status);
	buf_add_u16(&b, a->reason);
	buf_add_u16(&b, a->done);
	buf_add_u16(&b, a->failed);
	buf_add_u64(&b, a->plain_len);
	buf_add_u32(&b, a->sealed_len);
	return put(r, OWN_ANSWERED, &b, e);
}

int
own_add_note(struct record *r, int64_t time_ms, const char *text, struct err *e)
{
	struct buf b;

	buf_init(&b, ENTRY_MAX);
	buf_add_u64(&b, (uint64_t)time_ms);
	buf_add_field(&b, text, strnlen(text, NOTE_MAX - 1));
	return put(r, OWN_NOTE, &b, e);
}

int
own_add_policy(struct record *r, const struct own_policy *p, struct err *e)
{
	struct buf b;
	size_t i;

	buf_init(&b, ENTRY_MAX);
	buf_add_u64(&b, (uint64_t)p->time_ms);
	buf_add(&b, p->hash.b, ID_LEN);
	buf_add_u64(&b, p->version);
	buf_add_u64(&b, p->was);
	buf_add_u16(&b, p->reason);
	buf_add_u8(&b, (uint8_t)p->nsigners);
	for (i = 0; i < p->nsigners; i++) {
		buf_add(&b, p->persons[i], PGP_FPR_LEN);
		buf_add(&b, p->keys[i], PGP_FPR_LEN);
	}
	buf_add_field(&b, p->detail, strlen(p->detail));
	return put(r, OWN_POLICY, &b, e);
}

int
own_policy_parse(const void *data, size_t len, struct own_policy *ret)
{
	struct own_policy p;
	struct rd r;
	size_t i;

	memset(&p, 0, sizeof(p));
	rd_init(&r, data, len);
	p.time_ms = (int64_t)rd_u64(&r);
	rd_copy(&r, p.hash.b, ID_LEN);
	p.version = rd_u64(&r);
	p.was = rd_u64(&r);
	p.reason = rd_u16(&r);
	p.nsigners = rd_u8(&r);
	if (p.nsigners > SIGS_MAX)
		return ERR_INVALID;
	for (i = 0; i < p.nsigners; i++) {
		rd_copy(&r, p.persons[i], PGP_FPR_LEN);
		rd_copy(&r, p.keys[i], PGP_FPR_LEN);
	}
	rd_field_str(&r, p.detail, sizeof(p.detail));
	if (!rd_done(&r))
		return ERR_INVALID;
	*ret = p;
	return 0;
}

int
own_add_cancelled(struct record *r, const struct cancelled *c, bool open,
    int64_t time_ms, struct err *e)
{
	struct buf b;

	buf_init(&b, ENTRY_MAX);
	buf_add_u64(&b, (uint64_t)time_ms);
	buf_add(&b, c->action.b, ID_LEN);
	buf_add_u8(&b, open);
	signed_by_write(&c->by, &b);
	buf_add_field(&b, c->text, strlen(c->text));
	return put(r, OWN_CANCELLED, &b, e);
}

int
own_cancelled_parse(const void *data, size_t len, struct own_cancelled *ret)
{
	struct own_cancelled c;
	uint8_t open;
	struct rd r;

	memset(&c, 0, sizeof(c));
	rd_init(&r, data, len);
	c.time_ms = (int64_t)rd_u64(&r);
	rd_copy(&r, c.action.b, ID_LEN);
	open = rd_u8(&r);
	c.open = open == 1;
	signed_by_read(&r, &c.by);
	rd_field_str(&r, c.text, sizeof(c.text));
	if (!rd_done(&r) || open > 1)
		return ERR_INVALID;
	*ret = c;
	return 0;
}

int
own_asked_parse(const void *data, size_t len, struct own_asked *ret)
{
	struct own_asked a;
	struct rd r;
	size_t i;

	memset(&a, 0, sizeof(a));
	rd_init(&r, data, len);
	a.time_ms = (int64_t)rd_u64(&r);
	rd_copy(&r, a.id.b, ID_LEN);
	a.reason = rd_u16(&r);
	a.nsigners = rd_u8(&r);
	if (a.nsigners > SIGS_MAX)
		return ERR_INVALID;
	for (i = 0; i < a.nsigners; i++) {
		rd_copy(&r, a.persons[i], PGP_FPR_LEN);
		rd_copy(&r, a.keys[i], PGP_FPR_LEN);
	}
	a.noperations = rd_u8(&r);
	if (a.noperations > ACTION_OPERATIONS_MAX)
		return ERR_INVALID;
	for (i = 0; i < a.noperations; i++)
		a.modules[i] = rd_u16(&r);
	a.valid_from = (int64_t)rd_u64(&r);
	a.expire_after = (int64_t)rd_u64(&r);
	rd_field_str(&r, a.name, sizeof(a.name));
	rd_field_str(&r, a.target, sizeof(a.target));
	rd_field_str(&r, a.detail, sizeof(a.detail));
	if (!rd_done(&r))
		return ERR_INVALID;
	*ret = a;
	return 0;
}

int
own_answered_parse(const void *data, size_t len, struct own_answered *ret)
{
	struct own_answered a;
	struct rd r;

	memset(&a, 0, sizeof(a));
	rd_init(&r, data, len);
	a.time_ms = (int64_t)rd_u64(&r);
	rd_copy(&r, a.id.b, ID_LEN);
	a.status = rd_u8(&r);
	a.reason = rd_u16(&r);
	a.done = rd_u16(&r);
	a.failed = rd_u16(&r);
	a.plain_len = rd_u64(&r);
	a.sealed_len = rd_u32(&r);
	if (!rd_done(&r))
		return ERR_INVALID;
	*ret = a;
	return 0;
}

int
own_note_parse(
    const void *data, size_t len, int64_t *ret_time_ms, char text[NOTE_MAX])
{
	int64_t time_ms;
	struct rd r;

	rd_init(&r, data, len);
	time_ms = (int64_t)rd_u64(&r);
	rd_field_str(&r, text, NOTE_MAX);
	if (!rd_done(&r))
		return ERR_INVALID;
	*ret_time_ms = time_ms;
	return 0;
}
