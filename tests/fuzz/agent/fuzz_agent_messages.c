/* SPDX-License-Identifier: MPL-2.0 */
/* The decoders that the monitor runs on what other roles send, and those of
 * its own record. What is accepted is written again to the same bytes. */
#include "agent/judged.h"
#include "agent/store/ownrecord.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
same(const struct buf *b, const uint8_t *data, size_t size)
{
	BUG_ON(b->error != 0 || b->len != size ||
	    memcmp(b->data, data, size) != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct verify_verdict verify;
	static struct judge_verdict judge;
	static struct own_asked asked;
	static struct own_policy policy;
	static struct judge_step step;
	static struct own_cancelled cancelled;
	static struct cancel_verdict cancel;
	struct own_answered answered;
	static struct judge_ready ready;
	struct envelope env;
	char note[NOTE_MAX];
	uint16_t counted;
	int64_t ms;
	struct buf b;
	struct rd r;

	buf_init(&b, MSG_DOC_MAX);
	rd_init(&r, data, size);
	if (msg_pieces_parse(&r, &env) == 0) {
		msg_pieces_write(&b, &env);
		same(&b, data, size);
	}
	buf_clear(&b);
	if (verify_verdict_parse(data, size, &verify) == 0) {
		BUG_ON(verify_good(&verify) > SIGS_MAX);
		/* what stands after a text's end is not kept */
		verify_verdict_write(&verify, &b);
		BUG_ON(b.error != 0 || b.len != size);
	}
	buf_clear(&b);
	if (cancel_verdict_parse(data, size, &cancel) == 0) {
		cancel_verdict_write(&cancel, &b);
		BUG_ON(b.error != 0 || b.len != size);
	}
	buf_clear(&b);
	if (judge_verdict_parse(data, size, &judge) == 0) {
		/* what stands after a text's end is not kept */
		judge_verdict_write(&judge, &b);
		BUG_ON(b.error != 0 || b.len != size);
	}
	buf_clear(&b);
	if (judge_answer_parse(data, size, SIGS_MAX / 2, &judge, &counted) ==
	    0) {
		BUG_ON(counted >> (SIGS_MAX / 2) != 0);
		judge_answer_write(&judge, counted, &b);
		BUG_ON(b.error != 0 || b.len != size);
	}
	buf_clear(&b);
	if (judge_ready_parse(data, size, &ready) == 0) {
		judge_ready_write(&ready, &b);
		same(&b, data, size);
		judge_ready_release(&ready);
	}
	buf_clear(&b);
	if (judge_step_parse(data, size, &step) == 0) {
		judge_step_write(&step, &b);
		BUG_ON(b.error != 0 || b.len != size);
	}
	(void)own_policy_parse(data, size, &policy);
	(void)own_asked_parse(data, size, &asked);
	(void)own_cancelled_parse(data, size, &cancelled);
	(void)own_answered_parse(data, size, &answered);
	(void)own_note_parse(data, size, &ms, note);
	buf_release(&b);
	return 0;
}
