/* SPDX-License-Identifier: MPL-2.0 */
/* Checking and opening an answer. Every byte here comes from an agent that
 * may be hostile: nothing is allocated before its size is bounded. */
#include "action/result.h"

#include "action/result_wire.h"
#include "base/err.h"
#include "crypto/seal.h"
#include "crypto/sha256.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

int
result_check(const void *data, size_t len, struct result_header *ret,
    const uint8_t **ret_sealed, struct err *e)
{
	struct result_header h = { 0 };
	const uint8_t *sig, *sealed;
	struct id is;
	struct rd r;
	int rc;

	rd_init(&r, data, len);
	rc = result_header_read(&r, &h, e);
	if (rc != 0)
		return rc;
	sig = rd_bytes(&r, IDENTITY_SIG_LEN);
	sealed = rd_bytes(&r, h.sealed_len);
	if (!rd_done(&r))
		return err_set(e, ERR_INVALID,
		    "result: %zu bytes do not fit the header's %u sealed ones",
		    len, (unsigned int)h.sealed_len);
	identity_id(h.agent_pub, &is);
	if (!id_equal(&is, &h.agent))
		return err_set(e, ERR_AUTH,
		    "result: the agent's id is not that of its key");
	sha256(
	    h.sealed_len == 0 ? (const void *)"" : sealed, h.sealed_len, &is);
	if (!id_equal(&is, &h.sealed_hash))
		return err_set(e, ERR_AUTH,
		    "result: the sealed bytes are not the signed ones");
	if (identity_check(
		h.agent_pub, PURPOSE_RESULT, data, RESULT_HEADER_LEN, sig) != 0)
		return err_set(e, ERR_AUTH,
		    "result: the agent's signature does not verify");
	*ret = h;
	*ret_sealed = sealed;
	return 0;
}

/* Kept: making one asks the processor what it can do, six times, and in a
 * virtual machine each of them is for the host to answer. */
static ZSTD_DCtx *
unpacker_of(struct result_opener *by)
{
	if (by->unpacker == NULL)
		by->unpacker = ZSTD_createDCtx();
	return by->unpacker;
}

void
result_opener_release(struct result_opener *o)
{
	ZSTD_freeDCtx(o->unpacker);
	o->unpacker = NULL;
}

/* Exactly one frame that states its size. Owned by the caller. */
static int
decompress(struct result_opener *by, const struct buf *packed, uint8_t **ret,
    size_t *ret_len, struct err *e)
{
	size_t max = by->plain_max > 0 ? by->plain_max : RESULT_PLAIN_MAX;
	ZSTD_DCtx *unpacker = unpacker_of(by);
	unsigned long long size;
	uint8_t *plain;
	size_t n;

	size = ZSTD_getFrameContentSize(packed->data, packed->len);
	if (size == ZSTD_CONTENTSIZE_ERROR ||
	    size == ZSTD_CONTENTSIZE_UNKNOWN ||
	    ZSTD_findFrameCompressedSize(packed->data, packed->len) !=
		packed->len)
		return err_set(e, ERR_INVALID,
		    "result: what was sealed is not one zstd frame");
	if (size == 0 || size > max)
		return err_set(e, ERR_TOOBIG,
		    "result: unpacks to %llu bytes, at most %zu", size, max);
	plain = unpacker != NULL ? malloc((size_t)size) : NULL;
	if (plain == NULL)
		return err_set(e, ERR_NOMEM, "result: out of memory");
	n = ZSTD_decompressDCtx(
	    unpacker, plain, (size_t)size, packed->data, packed->len);
	if (ZSTD_isError(n) || n != size) {
		free(plain);
		return err_set(e, ERR_INVALID, "result: damaged zstd frame");
	}
	*ret = plain;
	*ret_len = n;
	return 0;
}

static int
read_parts(struct rd *r, struct result_opened *o, size_t n, struct err *e)
{
	struct result_part *p;
	uint8_t zero;
	size_t i;

	for (i = 0; i < n; i++) {
		p = &o->parts[i];
		p->operation = rd_u16(r);
		p->status = rd_u8(r);
		zero = rd_u8(r);
		p->data = rd_field(r, RESULT_PLAIN_MAX, &p->len);
		if (r->bad || zero != 0 || p->status < PART_DONE ||
		    p->status > PART_INTERRUPTED ||
		    p->operation >= ACTION_OPERATIONS_MAX ||
		    (i > 0 && p->operation <= o->parts[i - 1].operation))
			return err_set(
			    e, ERR_INVALID, "result: part %zu is malformed", i);
	}
	o->nparts = n;
	if (!rd_done(r))
		return err_set(e, ERR_INVALID,
		    "result: %zu bytes after the last part", r->left);
	return 0;
}

static int
read_plain(
    const struct result_header *h, struct result_opened *o, struct err *e)
{
	const uint8_t *magic;
	struct id action, agent;
	uint8_t version, zero;
	uint16_t n;
	struct rd r;

	rd_init(&r, o->plain, o->plain_len);
	magic = rd_bytes(&r, 4);
	version = rd_u8(&r);
	zero = rd_u8(&r);
	n = rd_u16(&r);
	rd_copy(&r, action.b, ID_LEN);
	rd_copy(&r, agent.b, ID_LEN);
	rd_field_str(&r, o->agent_name, sizeof(o->agent_name));
	if (r.bad || memcmp(magic, RESULT_MAGIC, 4) != 0 ||
	    version != RESULT_VERSION || zero != 0)
		return err_set(
		    e, ERR_INVALID, "result: what was sealed is malformed");
	if (!id_equal(&action, &h->action) || !id_equal(&agent, &h->agent))
		return err_set(e, ERR_AUTH,
		    "result: sealed for another action or by another agent");
	if (n != h->noperations || n > ACTION_OPERATIONS_MAX)
		return err_set(e, ERR_INVALID,
		    "result: %u parts sealed, %u announced", (unsigned int)n,
		    (unsigned int)h->noperations);
	return read_parts(&r, o, n, e);
}

int
result_open(struct result_opener *by, const struct result_header *h,
    const uint8_t *sealed, const uint8_t seal_public[static 32],
    const uint8_t seal_secret[static 32], struct result_opened *ret,
    struct err *e)
{
	struct result_opened o = { 0 };
	struct buf packed;
	int rc;

	if (h->sealed_len == 0)
		return err_set(e, ERR_NOTFOUND, "result: nothing is sealed");
	buf_init(&packed, RESULT_SEALED_MAX);
	rc = seal_open(
	    seal_public, seal_secret, sealed, h->sealed_len, &packed, e);
	if (rc == 0)
		rc = decompress(by, &packed, &o.plain, &o.plain_len, e);
	buf_release(&packed);
	if (rc == 0)
		rc = read_plain(h, &o, e);
	if (rc != 0) {
		free(o.plain);
		return rc;
	}
	*ret = o;
	return 0;
}

void
result_opened_release(struct result_opened *o)
{
	free(o->plain);
	memset(o, 0, sizeof(*o));
}
