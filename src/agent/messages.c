/* SPDX-License-Identifier: MPL-2.0 */
/* Codec of the messages between the agent's roles; see messages.h. */
#include "agent/messages.h"

#include "base/err.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	uint16_t type;
	uint8_t from, to;
	size_t max;
	const char *name;
} table[] = {
#define MSG_ROW(name, number, from, to, max) \
	{ (number), ROLE_##from, ROLE_##to, (max), #name },
	AGENT_MESSAGES(MSG_ROW)
#undef MSG_ROW
};

int
msg_allowed(enum role_kind from, enum role_kind to, const struct ipc_msg *msg)
{
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].type != msg->type)
			continue;
		if (table[i].from != from || table[i].to != to ||
		    msg->len > table[i].max || msg->fd >= 0)
			return ERR_INVALID;
		return 0;
	}
	return ERR_INVALID;
}

const char *
msg_name(unsigned int type)
{
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].type == type)
			return table[i].name;
	}
	return "unknown";
}

/* A text in a slot of fixed size: u16 length, VERDICT_TEXT bytes. Cut to whole
 * UTF-8 characters. */
static void
add_text(struct buf *out, const char *s)
{
	static const uint8_t zero[VERDICT_TEXT];
	size_t n = strnlen(s, VERDICT_TEXT);

	while (n > 0 && !str_is_utf8(s, n))
		n--;
	buf_add_u16(out, (uint16_t)n);
	buf_add(out, s, n);
	buf_add(out, zero, VERDICT_TEXT - n);
}

static void
take_text(struct rd *r, char out[VERDICT_TEXT + 1])
{
	uint16_t n = rd_u16(r);
	const uint8_t *p = rd_bytes(r, VERDICT_TEXT);

	out[0] = '\0';
	if (p == NULL)
		return;
	if (n > VERDICT_TEXT || !str_is_utf8(p, n) ||
	    memchr(p, '\0', n) != NULL) {
		r->bad = true;
		return;
	}
	memcpy(out, p, n);
	out[n] = '\0';
}

static int64_t
take_positive(struct rd *r)
{
	int64_t v = (int64_t)rd_u64(r);

	if (v < 0)
		r->bad = true;
	return v;
}

size_t
verify_good(const struct verify_verdict *v)
{
	size_t i, n = 0;

	for (i = 0; i < v->n; i++)
		n += v->signers[i].verdict == SIG_GOOD;
	return n;
}

void
verify_signers_write(const struct verify_verdict *v, struct buf *out)
{
	const struct signer *s;
	size_t i;

	buf_add_u8(out, (uint8_t)verify_good(v));
	for (i = 0; i < v->n; i++) {
		s = &v->signers[i];
		if (s->verdict != SIG_GOOD)
			continue;
		buf_add(out, s->person, PGP_FPR_LEN);
		buf_add(out, s->key, PGP_FPR_LEN);
		buf_add_u64(out, (uint64_t)s->created);
	}
}

int
verify_verdict_write(const struct verify_verdict *v, struct buf *out)
{
	size_t i;

	buf_add(out, v->id.b, ID_LEN);
	buf_add_u8(out, v->n);
	for (i = 0; i < SIGS_MAX; i++) {
		buf_add_u8(out, (uint8_t)v->signers[i].verdict);
		buf_add(out, v->signers[i].key, PGP_FPR_LEN);
		buf_add(out, v->signers[i].person, PGP_FPR_LEN);
		buf_add_u64(out, (uint64_t)v->signers[i].created);
	}
	add_text(out, v->name);
	return out->error;
}

int
verify_verdict_parse(const void *data, size_t len, struct verify_verdict *ret)
{
	struct verify_verdict v;
	struct rd r;
	size_t i;

	memset(&v, 0, sizeof(v));
	rd_init(&r, data, len);
	rd_copy(&r, v.id.b, ID_LEN);
	v.n = rd_u8(&r);
	for (i = 0; i < SIGS_MAX; i++) {
		v.signers[i].verdict = (enum sig_verdict)rd_u8(&r);
		rd_copy(&r, v.signers[i].key, PGP_FPR_LEN);
		rd_copy(&r, v.signers[i].person, PGP_FPR_LEN);
		v.signers[i].created = take_positive(&r);
		if (v.signers[i].verdict > SIG_REPEATED)
			r.bad = true;
	}
	take_text(&r, v.name);
	if (!rd_done(&r) || v.n > SIGS_MAX)
		return ERR_INVALID;
	*ret = v;
	return 0;
}

void
msg_pieces_write(struct buf *out, const struct envelope *env)
{
	size_t i;

	buf_add_field(out, env->doc, env->doc_len);
	buf_add_u8(out, (uint8_t)env->nsigs);
	for (i = 0; i < env->nsigs; i++)
		buf_add_field(out, env->sigs[i].data, env->sigs[i].len);
}

int
msg_pieces_parse(struct rd *r, struct envelope *ret)
{
	struct envelope env;
	size_t i;

	memset(&env, 0, sizeof(env));
	env.doc = rd_field(r, ENVELOPE_DOC_MAX, &env.doc_len);
	env.nsigs = rd_u8(r);
	if (env.nsigs > SIGS_MAX || env.doc_len == 0)
		r->bad = true;
	for (i = 0; i < env.nsigs && !r->bad; i++) {
		env.sigs[i].data = rd_field(r, SIGPACKET_MAX, &env.sigs[i].len);
		if (env.sigs[i].len == 0)
			r->bad = true;
	}
	if (!rd_done(r))
		return ERR_INVALID;
	*ret = env;
	return 0;
}

int
judge_verdict_write(const struct judge_verdict *v, struct buf *out)
{
	size_t i;

	buf_add(out, v->id.b, ID_LEN);
	buf_add_u16(out, v->reason);
	buf_add_u8(out, v->noperations);
	for (i = 0; i < ACTION_OPERATIONS_MAX; i++)
		buf_add_u16(out, v->modules[i]);
	buf_add(out, v->seal_public, sizeof(v->seal_public));
	buf_add_u64(out, (uint64_t)v->valid_from);
	buf_add_u64(out, (uint64_t)v->expire_after);
	buf_add_u64(out, (uint64_t)v->seconds);
	/* One number of 64 bits before there was a share: journals have it. */
	buf_add_u32(out, (uint32_t)v->cpu_percent);
	buf_add_u32(out, (uint32_t)v->cpu_seconds);
	buf_add_u64(out, (uint64_t)v->memory_bytes);
	buf_add_u64(out, (uint64_t)v->read_bytes);
	buf_add_u64(out, (uint64_t)v->result_bytes);
	buf_add_u8(out, v->stop.operation);
	buf_add_u32(out, v->stop.pid);
	buf_add(out, v->stop.version, sizeof(v->stop.version));
	add_text(out, v->name);
	add_text(out, v->target);
	add_text(out, v->detail);
	return out->error;
}

int
judge_verdict_parse(const void *data, size_t len, struct judge_verdict *ret)
{
	struct judge_verdict v;
	struct rd r;
	size_t i;

	memset(&v, 0, sizeof(v));
	rd_init(&r, data, len);
	rd_copy(&r, v.id.b, ID_LEN);
	v.reason = rd_u16(&r);
	v.noperations = rd_u8(&r);
	for (i = 0; i < ACTION_OPERATIONS_MAX; i++)
		v.modules[i] = rd_u16(&r);
	rd_copy(&r, v.seal_public, sizeof(v.seal_public));
	v.valid_from = take_positive(&r);
	v.expire_after = take_positive(&r);
	v.seconds = take_positive(&r);
	v.cpu_percent = (int64_t)rd_u32(&r);
	v.cpu_seconds = (int64_t)rd_u32(&r);
	v.memory_bytes = take_positive(&r);
	v.read_bytes = take_positive(&r);
	v.result_bytes = take_positive(&r);
	v.stop.operation = rd_u8(&r);
	v.stop.pid = rd_u32(&r);
	rd_copy(&r, v.stop.version, sizeof(v.stop.version));
	take_text(&r, v.name);
	take_text(&r, v.target);
	take_text(&r, v.detail);
	if (!rd_done(&r) || v.noperations > ACTION_OPERATIONS_MAX ||
	    v.stop.pid > INT32_MAX ||
	    v.stop.version[sizeof(v.stop.version) - 1] != '\0' ||
	    (v.stop.pid != 0 && v.stop.operation >= v.noperations))
		return ERR_INVALID;
	if (v.reason == 0 &&
	    (v.noperations == 0 || v.expire_after == 0 || v.seconds == 0 ||
		v.result_bytes == 0))
		return ERR_INVALID;
	*ret = v;
	return 0;
}

int
judge_step_write(const struct judge_step *v, struct buf *out)
{
	buf_add(out, v->hash.b, ID_LEN);
	buf_add_u16(out, v->reason);
	buf_add_u64(out, v->version);
	buf_add_u32(out, v->keyring_len);
	buf_add_u32(out, v->acl_len);
	buf_add_u32(out, v->limits_len);
	add_text(out, v->detail);
	return out->error;
}

int
judge_step_parse(const void *data, size_t len, struct judge_step *ret)
{
	struct judge_step v;
	struct rd r;

	memset(&v, 0, sizeof(v));
	rd_init(&r, data, len);
	rd_copy(&r, v.hash.b, ID_LEN);
	v.reason = rd_u16(&r);
	v.version = rd_u64(&r);
	v.keyring_len = rd_u32(&r);
	v.acl_len = rd_u32(&r);
	v.limits_len = rd_u32(&r);
	take_text(&r, v.detail);
	/* the lengths are added by who uses them */
	if (!rd_done(&r) || v.keyring_len > ENVELOPE_DOC_MAX ||
	    v.acl_len > ENVELOPE_DOC_MAX || v.limits_len > ENVELOPE_DOC_MAX ||
	    v.version > (uint64_t)1 << 53)
		return ERR_INVALID;
	*ret = v;
	return 0;
}

int
cancel_verdict_write(const struct cancel_verdict *v, struct buf *out)
{
	buf_add(out, v->id.b, ID_LEN);
	buf_add(out, v->action.b, ID_LEN);
	buf_add_u16(out, v->reason);
	buf_add_u8(out, v->right);
	buf_add_u64(out, (uint64_t)v->expire_after);
	add_text(out, v->text);
	add_text(out, v->detail);
	return out->error;
}

int
cancel_verdict_parse(const void *data, size_t len, struct cancel_verdict *ret)
{
	struct cancel_verdict v;
	struct rd r;

	memset(&v, 0, sizeof(v));
	rd_init(&r, data, len);
	rd_copy(&r, v.id.b, ID_LEN);
	rd_copy(&r, v.action.b, ID_LEN);
	v.reason = rd_u16(&r);
	v.right = rd_u8(&r);
	v.expire_after = take_positive(&r);
	take_text(&r, v.text);
	take_text(&r, v.detail);
	if (!rd_done(&r) || v.right > 1)
		return ERR_INVALID;
	*ret = v;
	return 0;
}

int
judge_ready_write(const struct judge_ready *v, struct buf *out)
{
	size_t i;

	buf_add_u64(out, v->version);
	buf_add_u64(out, (uint64_t)v->issued);
	buf_add_u64(out, (uint64_t)v->expires);
	buf_add_u32(out, v->keyring_len);
	buf_add_u32(out, v->acl_len);
	buf_add_u32(out, v->limits_len);
	buf_add_u32(out, v->workers);
	buf_add_u32(out, v->queue);
	buf_add_field(out, v->sandbox, strlen(v->sandbox));
	buf_add_u8(out, v->nnarrowed);
	for (i = 0; i < v->nnarrowed; i++) {
		buf_add_u16(out, v->narrowed[i].module);
		buf_add_u8(out, v->narrowed[i].detail);
		buf_add_field(
		    out, v->narrowed[i].paths, strlen(v->narrowed[i].paths));
	}
	return out->error;
}

static int
take_narrowed(struct rd *r, struct judge_ready *v)
{
	struct narrowed *n;
	size_t i, count = rd_u8(r);

	if (count > NARROWED_MAX)
		return ERR_INVALID;
	if (count == 0)
		return 0;
	v->narrowed = calloc(count, sizeof(*v->narrowed));
	if (v->narrowed == NULL)
		return ERR_NOMEM;
	v->nnarrowed = (uint8_t)count;
	for (i = 0; i < count && !r->bad; i++) {
		n = &v->narrowed[i];
		n->module = rd_u16(r);
		n->detail = rd_u8(r);
		rd_field_str(r, n->paths, sizeof(n->paths));
		/* an order would be refused: here is where it can be told */
		if (n->detail > ORDER_DETAIL_MAX)
			r->bad = true;
	}
	return 0;
}

void
judge_ready_release(struct judge_ready *v)
{
	free(v->narrowed);
	v->narrowed = NULL;
	v->nnarrowed = 0;
}

const struct narrowed *
judge_ready_narrowed(const struct judge_ready *v, unsigned int module)
{
	size_t i;

	for (i = 0; i < v->nnarrowed; i++) {
		if (v->narrowed[i].module == module)
			return &v->narrowed[i];
	}
	return NULL;
}

int
judge_ready_parse(const void *data, size_t len, struct judge_ready *ret)
{
	struct judge_ready v;
	struct rd r;
	int rc;

	memset(&v, 0, sizeof(v));
	rd_init(&r, data, len);
	v.version = rd_u64(&r);
	v.issued = take_positive(&r);
	v.expires = take_positive(&r);
	v.keyring_len = rd_u32(&r);
	v.acl_len = rd_u32(&r);
	v.limits_len = rd_u32(&r);
	v.workers = rd_u32(&r);
	v.queue = rd_u32(&r);
	rd_field_str(&r, v.sandbox, sizeof(v.sandbox));
	rc = take_narrowed(&r, &v);
	if (rc == 0 &&
	    (!rd_done(&r) || v.version == 0 || v.keyring_len > POLICY_MAX ||
		v.acl_len > POLICY_MAX || v.limits_len > POLICY_MAX))
		rc = ERR_INVALID;
	if (rc != 0) {
		judge_ready_release(&v);
		return rc;
	}
	judge_ready_release(ret);
	*ret = v;
	return 0;
}
