/* SPDX-License-Identifier: MPL-2.0 */
/* The agent's side of an answer: pack, compress, seal, sign. */
#include "action/result.h"

#include "action/result_wire.h"
#include "base/err.h"
#include "crypto/seal.h"
#include "crypto/sha256.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define RESULT_ZSTD_LEVEL 3
#define STORED_EXTRA 12 /* what stored_plain() adds */

static int
pack_plain(const struct result_header *h, const char *name,
    const struct result_part *parts, size_t n, struct buf *out, struct err *e)
{
	size_t i;

	buf_add(out, RESULT_MAGIC, 4);
	buf_add_u8(out, RESULT_VERSION);
	buf_add_u8(out, 0);
	buf_add_u16(out, (uint16_t)n);
	buf_add(out, h->action.b, ID_LEN);
	buf_add(out, h->agent.b, ID_LEN);
	buf_add_field(out, name, strlen(name));
	for (i = 0; i < n; i++) {
		buf_add_u16(out, parts[i].operation);
		buf_add_u8(out, parts[i].status);
		buf_add_u8(out, 0);
		buf_add_field(out, parts[i].data, parts[i].len);
	}
	if (out->error != 0)
		return err_set(e, out->error,
		    "result: %s (at most %d bytes in all)",
		    err_text(out->error), RESULT_PLAIN_MAX);
	return 0;
}

/* A zstd frame of one raw block (RFC 8878, 3.1.1). */
static int
stored_plain(const struct buf *plain, struct buf *out, struct err *e)
{
	uint32_t n = (uint32_t)plain->len;
	const uint8_t head[STORED_EXTRA] = { 0x28, 0xb5, 0x2f, 0xfd, /* zstd */
		0xa0, /* one segment, its size in 4 bytes */
		(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16),
		(uint8_t)(n >> 24),
		/* the last block, raw, and its size */
		(uint8_t)(n << 3 | 1), (uint8_t)(n >> 5), (uint8_t)(n >> 13) };

	buf_add(out, head, sizeof(head));
	if (buf_add(out, plain->data, plain->len) != 0)
		return err_set(
		    e, out->error, "result: %s", err_text(out->error));
	return 0;
}

static int
compress_plain(const struct buf *plain, struct buf *out, struct err *e)
{
	size_t n, bound = ZSTD_COMPRESSBOUND(plain->len);
	uint8_t *p;

	/* padded to the least size either way: the library's code and tables
	 * need not come into memory */
	if (seal_size(plain->len + STORED_EXTRA) == seal_size(0))
		return stored_plain(plain, out, e);
	p = buf_reserve(out, bound);
	if (p == NULL)
		return err_set(e, out->error, "result: compressing: %s",
		    err_text(out->error));
	n = ZSTD_compress(p, bound, plain->data, plain->len, RESULT_ZSTD_LEVEL);
	if (ZSTD_isError(n))
		return err_set(e, ERR_INTERNAL, "result: compressing: %s",
		    ZSTD_getErrorName(n));
	out->len += n;
	return 0;
}

size_t
result_packed_size(const void *data, size_t len)
{
	size_t n, bound = ZSTD_compressBound(len);
	void *p = malloc(bound);

	if (p == NULL)
		return len;
	n = ZSTD_compress(p, bound, data, len, RESULT_ZSTD_LEVEL);
	free(p);
	return ZSTD_isError(n) ? len : n;
}

static int
seal_parts(const struct result_header *h, const char *name,
    const uint8_t *seal_public, const struct result_part *parts, size_t n,
    struct buf *sealed, struct err *e)
{
	struct buf plain, packed;
	int rc;

	buf_init(&plain, RESULT_PLAIN_MAX);
	buf_init(&packed, ZSTD_COMPRESSBOUND(RESULT_PLAIN_MAX));
	rc = pack_plain(h, name, parts, n, &plain, e);
	if (rc == 0)
		rc = compress_plain(&plain, &packed, e);
	buf_release(&plain);
	if (rc == 0)
		rc = seal_make(seal_public, packed.data, packed.len, sealed, e);
	buf_release(&packed);
	return rc;
}

static void
write_header(
    const struct result_header *h, uint8_t out[static RESULT_HEADER_LEN])
{
	struct buf b;

	/* storage is the caller's and fits: nothing can fail */
	b = (struct buf){
		.data = out, .cap = RESULT_HEADER_LEN, .max = RESULT_HEADER_LEN
	};
	buf_add_u8(&b, RESULT_VERSION);
	buf_add_u8(&b, h->status);
	buf_add_u16(&b, h->reason);
	buf_add(&b, h->action.b, ID_LEN);
	buf_add(&b, h->agent.b, ID_LEN);
	buf_add(&b, h->agent_pub, IDENTITY_PUB_LEN);
	buf_add_u64(&b, (uint64_t)h->time_ms);
	buf_add_u64(&b, h->policy_version);
	buf_add(&b, h->policy_hash.b, ID_LEN);
	buf_add_u64(&b, h->record_position);
	buf_add(&b, h->record_head.b, ID_LEN);
	buf_add_u16(&b, h->noperations);
	buf_add_u16(&b, 0);
	buf_add_u32(&b, h->sealed_len);
	buf_add(&b, h->sealed_hash.b, ID_LEN);
	BUG_ON(b.error != 0 || b.len != RESULT_HEADER_LEN);
}

static int
check_parts(const char *name, const uint8_t *seal_public,
    const struct result_part *parts, size_t n, struct err *e)
{
	size_t i;

	if (n > ACTION_OPERATIONS_MAX)
		return err_set(e, ERR_INVALID, "result: %zu parts, at most %d",
		    n, ACTION_OPERATIONS_MAX);
	if (n > 0 && seal_public == NULL)
		return err_set(
		    e, ERR_INVALID, "result: parts but no key to seal them to");
	if (strlen(name) > RESULT_NAME_MAX)
		return err_set(e, ERR_INVALID,
		    "result: agent name of more than %d bytes",
		    RESULT_NAME_MAX);
	for (i = 0; i < n; i++) {
		if (parts[i].status < PART_DONE ||
		    parts[i].status > PART_INTERRUPTED)
			return err_set(e, ERR_INVALID,
			    "result: part %zu has status %u", i,
			    (unsigned int)parts[i].status);
		if (parts[i].operation >= ACTION_OPERATIONS_MAX ||
		    (i > 0 && parts[i].operation <= parts[i - 1].operation))
			return err_set(e, ERR_INVALID,
			    "result: part %zu is not in the operations' order",
			    i);
	}
	return 0;
}

int
result_make(struct result_header *h, const struct identity *who,
    const char *agent_name, const uint8_t *seal_public,
    const struct result_part *parts, size_t nparts, struct buf *out,
    struct err *e)
{
	uint8_t head[RESULT_HEADER_LEN], sig[IDENTITY_SIG_LEN];
	struct result_header made = *h;
	size_t start = out->len;
	struct buf sealed;
	int rc;

	rc = check_parts(agent_name, seal_public, parts, nparts, e);
	if (rc != 0)
		return rc;
	made.agent = who->id;
	memcpy(made.agent_pub, who->pub, IDENTITY_PUB_LEN);
	made.noperations = (uint16_t)nparts;
	buf_init(&sealed, RESULT_SEALED_MAX);
	if (seal_public != NULL)
		rc = seal_parts(
		    &made, agent_name, seal_public, parts, nparts, &sealed, e);
	if (rc != 0)
		goto out;
	made.sealed_len = (uint32_t)sealed.len;
	sha256(sealed.len == 0 ? (const void *)"" : sealed.data, sealed.len,
	    &made.sealed_hash);
	rc = result_header_valid(&made, e);
	if (rc != 0)
		goto out;
	write_header(&made, head);
	identity_sign(who, PURPOSE_RESULT, head, sizeof(head), sig);
	buf_add(out, head, sizeof(head));
	buf_add(out, sig, sizeof(sig));
	buf_add(out, sealed.data, sealed.len);
	if (out->error != 0) {
		out->len = start;
		rc = err_set(e, out->error, "result: %s", err_text(out->error));
		goto out;
	}
	*h = made;
out:
	buf_release(&sealed);
	return rc;
}
