/* SPDX-License-Identifier: MPL-2.0 */
/* Answers that were on the disk; see stored.h. */
#include "agent/monitor/stored.h"

#include "action/result.h"
#include "action/result_wire.h"
#include "agent/store/spool.h"
#include "base/buf.h"
#include "base/err.h"
#include "crypto/identity.h"
#include "crypto/sha256.h"

#define HEAD (RESULT_HEADER_LEN + IDENTITY_SIG_LEN)
#define PIECE (64u * 1024)

/* Header and signature; the sealed bytes come behind. */
static int
check_head(struct spool *s, const struct identity *who, const struct id *id,
    struct buf *head, struct result_header *h, struct err *e)
{
	struct rd r;
	int rc;

	rc = spool_read(s, id, 0, HEAD, head, e);
	if (rc != 0)
		return rc;
	rd_init(&r, head->data, RESULT_HEADER_LEN);
	rc = result_header_read(&r, h, e);
	if (rc == 0 &&
	    (!id_equal(&h->action, id) || !id_equal(&h->agent, &who->id) ||
		identity_check(who->pub, PURPOSE_RESULT, head->data,
		    RESULT_HEADER_LEN, head->data + RESULT_HEADER_LEN) != 0))
		rc = err_set(
		    e, ERR_AUTH, "it is not signed for this agent and action");
	return rc;
}

static int
check_sealed(struct spool *s, const struct id *id, size_t len,
    const struct result_header *h, struct err *e)
{
	struct sha256 sha;
	struct buf piece;
	struct id is;
	size_t at, n;
	int rc = 0;

	if (len != HEAD + (size_t)h->sealed_len)
		return err_set(e, ERR_INVALID, "it has %zu bytes, not %zu", len,
		    HEAD + (size_t)h->sealed_len);
	sha256_begin(&sha);
	buf_init(&piece, PIECE);
	for (at = HEAD; rc == 0 && at < len; at += n) {
		n = len - at < PIECE ? len - at : PIECE;
		buf_clear(&piece);
		rc = spool_read(s, id, at, n, &piece, e);
		if (rc == 0)
			sha256_add(&sha, piece.data, n);
	}
	buf_release(&piece);
	sha256_final(&sha, &is);
	if (rc == 0 && !id_equal(&is, &h->sealed_hash))
		rc = err_set(
		    e, ERR_AUTH, "the sealed bytes are not the signed ones");
	return rc;
}

int
stored_check(struct spool *s, const struct identity *who, const struct id *id,
    struct err *e)
{
	const struct spool_item *it = spool_find(s, id);
	struct result_header h;
	struct buf head;
	int rc;

	if (it == NULL)
		return err_set(e, ERR_NOTFOUND, "there is no such answer");
	if (it->len < HEAD)
		return err_set(e, ERR_INVALID, "it has only %u bytes",
		    (unsigned int)it->len);
	buf_init(&head, HEAD);
	rc = check_head(s, who, id, &head, &h, e);
	if (rc == 0)
		rc = check_sealed(s, id, it->len, &h, e);
	buf_release(&head);
	return rc;
}
