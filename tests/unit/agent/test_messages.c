/* SPDX-License-Identifier: MPL-2.0 */
/* What crosses between the roles: there and back, and every bit of a verdict
 * that must not be believed. */
#include "agent/judged.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void
who_may_say_what(void **state)
{
	struct ipc_msg m = { .type = MSG_NET_ENVELOPE, .len = 100, .fd = -1 };

	assert_int_equal(msg_allowed(ROLE_NET, ROLE_MONITOR, &m), 0);
	assert_int_equal(msg_allowed(ROLE_MONITOR, ROLE_NET, &m), ERR_INVALID);
	assert_int_equal(
	    msg_allowed(ROLE_JUDGE, ROLE_MONITOR, &m), ERR_INVALID);
	m.fd = 5;
	assert_int_equal(msg_allowed(ROLE_NET, ROLE_MONITOR, &m), ERR_INVALID);
	m.fd = -1;
	m.len = MSG_DOC_MAX + 1;
	assert_int_equal(msg_allowed(ROLE_NET, ROLE_MONITOR, &m), ERR_INVALID);
	m.type = 999;
	m.len = 0;
	assert_int_equal(msg_allowed(ROLE_NET, ROLE_MONITOR, &m), ERR_INVALID);
	assert_string_equal(msg_name(999), "unknown");
	assert_string_equal(msg_name(MSG_JUDGE_ASK), "MSG_JUDGE_ASK");
}

static void
verify_there_and_back(void **state)
{
	struct verify_verdict v, got;
	struct buf b;
	size_t cut;

	memset(&v, 0, sizeof(v));
	memset(v.id.b, 7, ID_LEN);
	v.n = 3;
	v.signers[0].verdict = SIG_UNKNOWN_KEY;
	v.signers[1].verdict = SIG_GOOD;
	v.signers[1].created = 1700000000;
	memset(v.signers[1].person, 9, PGP_FPR_LEN);
	v.signers[2].verdict = SIG_REPEATED;
	memcpy(v.name, "Alice", 6);
	buf_init(&b, MSG_SMALL);
	assert_int_equal(verify_verdict_write(&v, &b), 0);
	assert_int_equal(verify_verdict_parse(b.data, b.len, &got), 0);
	assert_int_equal(verify_good(&got), 1);
	assert_int_equal(got.signers[1].created, 1700000000);
	assert_string_equal(got.name, "Alice");
	assert_true(id_equal(&got.id, &v.id));
	for (cut = 0; cut < b.len; cut++)
		assert_int_equal(
		    verify_verdict_parse(b.data, cut, &got), ERR_INVALID);
	b.data[ID_LEN] = SIGS_MAX + 1;
	assert_int_equal(
	    verify_verdict_parse(b.data, b.len, &got), ERR_INVALID);
	b.data[ID_LEN] = 3;
	b.data[ID_LEN + 1] = SIG_REPEATED + 1;
	assert_int_equal(
	    verify_verdict_parse(b.data, b.len, &got), ERR_INVALID);
	buf_release(&b);
}

static void
cancel_there_and_back(void **state)
{
	struct cancel_verdict v, got;
	struct buf b;
	size_t cut;

	memset(&v, 0, sizeof(v));
	memset(v.id.b, 7, ID_LEN);
	memset(v.action.b, 8, ID_LEN);
	v.right = 1;
	v.expire_after = 1700000000;
	memcpy(v.text, "wrong hosts", 12);
	memcpy(v.detail, "d", 2);
	buf_init(&b, MSG_SMALL);
	assert_int_equal(cancel_verdict_write(&v, &b), 0);
	assert_int_equal(cancel_verdict_parse(b.data, b.len, &got), 0);
	assert_memory_equal(&got, &v, sizeof(v));
	for (cut = 0; cut < b.len; cut++)
		assert_int_equal(
		    cancel_verdict_parse(b.data, cut, &got), ERR_INVALID);
	b.data[2 * ID_LEN + 2] = 2; /* neither has the right nor not */
	assert_int_equal(
	    cancel_verdict_parse(b.data, b.len, &got), ERR_INVALID);
	b.data[2 * ID_LEN + 2] = 1;
	b.data[2 * ID_LEN + 3] = 0x80; /* an end before 1970 */
	assert_int_equal(
	    cancel_verdict_parse(b.data, b.len, &got), ERR_INVALID);
	buf_release(&b);
}

static void
fill(struct judge_verdict *v)
{
	memset(v, 0, sizeof(*v));
	v->noperations = 2;
	v->modules[0] = v->modules[1] = 1;
	v->valid_from = 1700000000;
	v->expire_after = 1700000600;
	v->seconds = 300;
	v->cpu_seconds = 120;
	v->cpu_percent = 30;
	v->memory_bytes = 1 << 26;
	v->result_bytes = 1 << 23;
	memcpy(v->name, "a name", 7);
	memcpy(v->target, "all", 4);
	v->stop.operation = 1;
	v->stop.pid = 4711;
	memcpy(v->stop.version, "0.1.0", 6);
}

static void
judge_there_and_back(void **state)
{
	struct judge_verdict v, got;
	struct buf b;
	size_t cut;

	fill(&v);
	buf_init(&b, 2 * JUDGE_VERDICT_LEN);
	assert_int_equal(judge_verdict_write(&v, &b), 0);
	assert_int_equal(b.len, JUDGE_VERDICT_LEN);
	assert_int_equal(judge_verdict_parse(b.data, b.len, &got), 0);
	assert_memory_equal(&got, &v, sizeof(v));
	for (cut = 0; cut < b.len; cut++)
		assert_int_equal(
		    judge_verdict_parse(b.data, cut, &got), ERR_INVALID);
	buf_add_u8(&b, 0);
	assert_int_equal(judge_verdict_parse(b.data, b.len, &got), ERR_INVALID);
	buf_release(&b);
}

/* Who counts: only of those that were told, and nothing runs for nobody. */
static void
judge_answers(void **state)
{
	struct judge_verdict v, got;
	uint16_t counted = 0;
	struct buf b;

	fill(&v);
	buf_init(&b, 2 * JUDGE_VERDICT_LEN);
	assert_int_equal(judge_answer_write(&v, 5, &b), 0);
	assert_int_equal(
	    judge_answer_parse(b.data, b.len, 3, &got, &counted), 0);
	assert_memory_equal(&got, &v, sizeof(v));
	assert_int_equal(counted, 5);
	assert_int_equal(
	    judge_answer_parse(b.data, b.len, 2, &got, &counted), ERR_INVALID);
	assert_int_equal(
	    judge_answer_parse(b.data, b.len, 0, &got, &counted), ERR_INVALID);
	assert_int_equal(
	    judge_answer_parse(b.data, b.len - 1, 3, &got, &counted),
	    ERR_INVALID);
	assert_int_equal(
	    judge_answer_parse(b.data, JUDGE_VERDICT_LEN, 3, &got, &counted),
	    ERR_INVALID);
	assert_int_equal(
	    judge_answer_parse(b.data, 0, 3, &got, &counted), ERR_INVALID);
	buf_clear(&b);
	assert_int_equal(judge_answer_write(&v, 0xffff, &b), 0);
	assert_int_equal(
	    judge_answer_parse(b.data, b.len, SIGS_MAX, &got, &counted), 0);
	assert_int_equal(counted, 0xffff);
	buf_clear(&b);
	assert_int_equal(judge_answer_write(&v, 0, &b), 0);
	assert_int_equal(
	    judge_answer_parse(b.data, b.len, 3, &got, &counted), ERR_INVALID);
	v.reason = 3;
	buf_clear(&b);
	assert_int_equal(judge_answer_write(&v, 0, &b), 0);
	assert_int_equal(
	    judge_answer_parse(b.data, b.len, 3, &got, &counted), 0);
	assert_int_equal(counted, 0);
	buf_release(&b);
}

static void
step_there_and_back(void **state)
{
	struct judge_step v = { .reason = 8,
		.version = 7,
		.keyring_len = 1000,
		.acl_len = 20,
		.limits_len = 3,
		.detail = "why" };
	struct judge_step got;
	struct buf b;
	size_t cut;

	memset(v.hash.b, 5, ID_LEN);
	buf_init(&b, 4096);
	assert_int_equal(judge_step_write(&v, &b), 0);
	/* the same for every policy */
	assert_int_equal(b.len, 32 + 2 + 8 + 3 * 4 + 2 + VERDICT_TEXT);
	assert_int_equal(judge_step_parse(b.data, b.len, &got), 0);
	assert_true(id_equal(&got.hash, &v.hash));
	assert_int_equal(got.reason, 8);
	assert_int_equal(got.version, 7);
	assert_int_equal(got.keyring_len, 1000);
	assert_int_equal(got.acl_len, 20);
	assert_int_equal(got.limits_len, 3);
	assert_string_equal(got.detail, "why");
	for (cut = 0; cut < b.len; cut++)
		assert_int_equal(
		    judge_step_parse(b.data, cut, &got), ERR_INVALID);
	/* a length that no document has */
	v.acl_len = ENVELOPE_DOC_MAX + 1;
	buf_clear(&b);
	judge_step_write(&v, &b);
	assert_int_equal(judge_step_parse(b.data, b.len, &got), ERR_INVALID);
	buf_release(&b);
}

static int
parse_changed(void (*change)(struct judge_verdict *v))
{
	struct judge_verdict v, got;
	struct buf b;
	int rc;

	fill(&v);
	change(&v);
	buf_init(&b, 2 * JUDGE_VERDICT_LEN);
	assert_int_equal(judge_verdict_write(&v, &b), 0);
	rc = judge_verdict_parse(b.data, b.len, &got);
	buf_release(&b);
	return rc;
}

static void
stop_of_no_operation(struct judge_verdict *v)
{
	v->stop.pid = 7;
	v->stop.operation = v->noperations;
}

static void
endless_version(struct judge_verdict *v)
{
	memset(v->stop.version, '1', sizeof(v->stop.version));
}

static void
no_operation(struct judge_verdict *v)
{
	v->noperations = 0;
}

static void
many_operations(struct judge_verdict *v)
{
	v->noperations = ACTION_OPERATIONS_MAX + 1;
}

static void
no_end(struct judge_verdict *v)
{
	v->expire_after = 0;
}

static void
negative_limit(struct judge_verdict *v)
{
	v->memory_bytes = -1;
}

static void
no_time(struct judge_verdict *v)
{
	v->seconds = 0;
}

static void
long_texts(struct judge_verdict *v)
{
	/* two-byte characters that do not end at the slot's end */
	size_t i;

	v->name[0] = 'x';
	for (i = 1; i + 2 < sizeof(v->name); i += 2)
		memcpy(v->name + i, "\xc3\xa4", 2);
	v->name[VERDICT_TEXT - 1] = '\xc3';
	v->name[VERDICT_TEXT] = '\0';
}

static void
refusal_without_operations(struct judge_verdict *v)
{
	memset(v, 0, sizeof(*v));
	v->reason = 1;
}

static void
judge_is_not_believed_everything(void **state)
{
	assert_int_equal(parse_changed(no_operation), ERR_INVALID);
	assert_int_equal(parse_changed(many_operations), ERR_INVALID);
	assert_int_equal(parse_changed(no_end), ERR_INVALID);
	assert_int_equal(parse_changed(stop_of_no_operation), ERR_INVALID);
	assert_int_equal(parse_changed(endless_version), ERR_INVALID);
	assert_int_equal(parse_changed(negative_limit), ERR_INVALID);
	assert_int_equal(parse_changed(no_time), ERR_INVALID);
	assert_int_equal(parse_changed(long_texts), 0);
	assert_int_equal(parse_changed(refusal_without_operations), 0);
}

static void
pieces_there_and_back(void **state)
{
	struct envelope env = {
		.doc = (const uint8_t *)"doc", .doc_len = 3, .nsigs = 2
	};
	struct envelope got;
	struct buf b;
	struct rd r;
	size_t cut;

	env.sigs[0] = (struct sig_bytes){ (const uint8_t *)"aa", 2 };
	env.sigs[1] = (struct sig_bytes){ (const uint8_t *)"b", 1 };
	buf_init(&b, 1024);
	msg_pieces_write(&b, &env);
	rd_init(&r, b.data, b.len);
	assert_int_equal(msg_pieces_parse(&r, &got), 0);
	assert_int_equal(got.nsigs, 2);
	assert_memory_equal(got.sigs[0].data, "aa", 2);
	assert_int_equal(got.doc_len, 3);
	for (cut = 0; cut < b.len; cut++) {
		rd_init(&r, b.data, cut);
		assert_int_equal(msg_pieces_parse(&r, &got), ERR_INVALID);
	}
	b.data[7] = SIGS_MAX + 1;
	rd_init(&r, b.data, b.len);
	assert_int_equal(msg_pieces_parse(&r, &got), ERR_INVALID);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_may_say_what),
		cmocka_unit_test(verify_there_and_back),
		cmocka_unit_test(cancel_there_and_back),
		cmocka_unit_test(judge_there_and_back),
		cmocka_unit_test(judge_answers),
		cmocka_unit_test(step_there_and_back),
		cmocka_unit_test(judge_is_not_believed_everything),
		cmocka_unit_test(pieces_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
