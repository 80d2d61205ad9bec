/* SPDX-License-Identifier: MPL-2.0 */
/* What judge answers about an action; see judged.h. */
#include "agent/judged.h"

#include "base/err.h"

int
judge_answer_write(
    const struct judge_verdict *v, uint16_t counted, struct buf *out)
{
	judge_verdict_write(v, out);
	buf_add_u16(out, counted);
	return out->error;
}

int
judge_answer_parse(const void *data, size_t len, size_t n,
    struct judge_verdict *ret, uint16_t *ret_counted)
{
	const uint8_t *p = data;
	uint16_t counted;

	if (len != JUDGE_VERDICT_LEN + 2)
		return ERR_INVALID;
	counted = (uint16_t)(p[len - 2] << 8 | p[len - 1]);
	if (n < SIGS_MAX && counted >> n != 0)
		return ERR_INVALID;
	if (judge_verdict_parse(p, JUDGE_VERDICT_LEN, ret) != 0 ||
	    (ret->reason == 0 && counted == 0))
		return ERR_INVALID;
	*ret_counted = counted;
	return 0;
}
