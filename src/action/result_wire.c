/* SPDX-License-Identifier: MPL-2.0 */
/* The rules that both sides of an answer hold. */
#include "action/result_wire.h"

#include "base/buf.h"
#include "base/err.h"
#include "crypto/seal.h"

/* crypto_box_seal and secretstream overhead, the least padding, one tag */
#define SEALED_MIN (SEAL_OVERHEAD_FIXED + 1024 + 17)
/* As in a hello: what is kept of an answer is kept as JSON. */
#define NUMBER_MAX ((int64_t)1 << 53)

int
result_header_valid(const struct result_header *h, struct err *e)
{
	bool sealed = h->sealed_len > 0;

	if (h->status < RESULT_DONE || h->status > RESULT_STOPPED)
		return err_set(e, ERR_INVALID, "result: unknown status %u",
		    (unsigned int)h->status);
	if (h->sealed_len > RESULT_SEALED_MAX)
		return err_set(e, ERR_TOOBIG,
		    "result: %u sealed bytes, at most %d",
		    (unsigned int)h->sealed_len, RESULT_SEALED_MAX);
	if (sealed && h->sealed_len < SEALED_MIN)
		return err_set(e, ERR_INVALID,
		    "result: %u sealed bytes, at least %d",
		    (unsigned int)h->sealed_len, SEALED_MIN);
	if (h->noperations > ACTION_OPERATIONS_MAX ||
	    (h->noperations > 0 && !sealed))
		return err_set(e, ERR_INVALID,
		    "result: %u operations do not fit what is sealed",
		    (unsigned int)h->noperations);
	if (h->status == RESULT_REFUSED && (sealed || h->reason == 0))
		return err_set(e, ERR_INVALID,
		    "result: refused without a reason, or sealed");
	if (h->status == RESULT_DONE && (!sealed || h->reason != 0))
		return err_set(e, ERR_INVALID,
		    "result: done with a reason, or not sealed");
	if (h->time_ms < 0)
		return err_set(e, ERR_INVALID, "result: time before 1970");
	if (h->time_ms > NUMBER_MAX || h->record_position > NUMBER_MAX ||
	    h->policy_version > NUMBER_MAX)
		return err_set(
		    e, ERR_INVALID, "result: a number of more than 53 bits");
	return 0;
}

int
result_header_read(struct rd *r, struct result_header *h, struct err *e)
{
	uint8_t version = rd_u8(r);
	uint64_t time_ms;
	uint16_t zero;

	h->status = rd_u8(r);
	h->reason = rd_u16(r);
	rd_copy(r, h->action.b, ID_LEN);
	rd_copy(r, h->agent.b, ID_LEN);
	rd_copy(r, h->agent_pub, IDENTITY_PUB_LEN);
	time_ms = rd_u64(r);
	h->policy_version = rd_u64(r);
	rd_copy(r, h->policy_hash.b, ID_LEN);
	h->record_position = rd_u64(r);
	rd_copy(r, h->record_head.b, ID_LEN);
	h->noperations = rd_u16(r);
	zero = rd_u16(r);
	h->sealed_len = rd_u32(r);
	rd_copy(r, h->sealed_hash.b, ID_LEN);
	if (r->bad)
		return err_set(e, ERR_INVALID, "result: too short");
	if (version != RESULT_VERSION || zero != 0)
		return err_set(e, ERR_INVALID, "result: not of version %d",
		    RESULT_VERSION);
	h->time_ms = time_ms > INT64_MAX ? -1 : (int64_t)time_ms;
	return result_header_valid(h, e);
}
