/* SPDX-License-Identifier: MPL-2.0 */
/* The binary envelope: lengths only; what it carries is not looked at. */
#include "action/envelope.h"

#include "base/err.h"

#include <string.h>

#define ENVELOPE_MAGIC "MIG3"

static int
read_signatures(struct rd *r, struct envelope *env, size_t n, struct err *e)
{
	uint16_t len;
	size_t i;

	for (i = 0; i < n; i++) {
		len = rd_u16(r);
		if (!r->bad && (len == 0 || len > SIGPACKET_MAX))
			return err_set(e, ERR_INVALID,
			    "envelope: signature %zu has %u bytes, expected 1 "
			    "to %d",
			    i + 1, (unsigned int)len, SIGPACKET_MAX);
		env->sigs[i].data = rd_bytes(r, len);
		env->sigs[i].len = len;
		if (r->bad)
			return err_set(e, ERR_INVALID,
			    "envelope: ends within signature %zu", i + 1);
	}
	env->nsigs = n;
	if (!rd_done(r))
		return err_set(e, ERR_INVALID,
		    "envelope: %zu bytes after the last signature", r->left);
	return 0;
}

int
envelope_parse(
    const void *data, size_t len, struct envelope *ret, struct err *e)
{
	struct envelope env = { 0 };
	const uint8_t *magic;
	uint32_t doc_len;
	uint8_t n, zero;
	struct rd r;
	int rc;

	rd_init(&r, data, len);
	magic = rd_bytes(&r, 4);
	n = rd_u8(&r);
	zero = rd_u8(&r);
	zero |= rd_u8(&r);
	zero |= rd_u8(&r);
	doc_len = rd_u32(&r);
	if (r.bad)
		return err_set(
		    e, ERR_INVALID, "envelope: %zu bytes, too short", len);
	if (memcmp(magic, ENVELOPE_MAGIC, 4) != 0 || zero != 0)
		return err_set(e, ERR_INVALID,
		    "envelope: does not start as one (\"MIG3\")");
	if (n > SIGS_MAX)
		return err_set(e, ERR_INVALID,
		    "envelope: %u signatures, at most %d", (unsigned int)n,
		    SIGS_MAX);
	if (doc_len == 0)
		return err_set(e, ERR_INVALID, "envelope: empty document");
	if (doc_len > ENVELOPE_DOC_MAX)
		return err_set(e, ERR_TOOBIG,
		    "envelope: document of %u bytes, at most %d",
		    (unsigned int)doc_len, ENVELOPE_DOC_MAX);
	env.doc = rd_bytes(&r, doc_len);
	env.doc_len = doc_len;
	if (r.bad)
		return err_set(
		    e, ERR_INVALID, "envelope: ends within the document");
	rc = read_signatures(&r, &env, n, e);
	if (rc == 0)
		*ret = env;
	return rc;
}

int
envelope_write(const struct envelope *env, struct buf *out, struct err *e)
{
	size_t i, start = out->len;

	if (env->nsigs > SIGS_MAX)
		return err_set(e, ERR_INVALID,
		    "envelope: %zu signatures, at most %d", env->nsigs,
		    SIGS_MAX);
	if (env->doc_len == 0 || env->doc_len > UINT32_MAX)
		return err_set(e, ERR_INVALID,
		    "envelope: document of %zu bytes", env->doc_len);
	for (i = 0; i < env->nsigs; i++) {
		if (env->sigs[i].len == 0 || env->sigs[i].len > SIGPACKET_MAX)
			return err_set(e, ERR_INVALID,
			    "envelope: signature %zu has %zu bytes, expected 1 "
			    "to %d",
			    i + 1, env->sigs[i].len, SIGPACKET_MAX);
	}
	buf_add(out, ENVELOPE_MAGIC, 4);
	buf_add_u32(out, (uint32_t)env->nsigs << 24);
	buf_add_u32(out, (uint32_t)env->doc_len);
	buf_add(out, env->doc, env->doc_len);
	for (i = 0; i < env->nsigs; i++) {
		buf_add_u16(out, (uint16_t)env->sigs[i].len);
		buf_add(out, env->sigs[i].data, env->sigs[i].len);
	}
	if (out->error != 0) {
		out->len = start;
		return err_set(
		    e, out->error, "envelope: %s", err_text(out->error));
	}
	return 0;
}
