/* SPDX-License-Identifier: MPL-2.0 */
/* What an agent, and a mig, of before protocol 3 said, read by today's code:
 * see tests/data/protocol2/README.md. */
#include "action/document.h"
#include "action/envelope.h"
#include "action/hello.h"
#include "action/result.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "crypto/purpose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define MAX 65536

/* Owned. */
static struct buf
recorded(const char *name)
{
	char path[4096];
	struct buf b;
	struct err e;

	snprintf(path, sizeof(path), "%s/%s", RECORDED, name);
	buf_init(&b, MAX);
	if (file_read(path, &b, &e) != 0)
		fail_msg("%s", e.msg);
	return b;
}

static void
test_hello(void **state)
{
	struct buf file = recorded("identity"), b = recorded("hello");
	struct identity who;
	struct hello h;
	struct err e;

	assert_int_equal(identity_parse(buf_str(&file), file.len, &who, &e), 0);
	if (hello_parse(b.data, b.len, &h, &e) != 0)
		fail_msg("%s", e.msg);
	assert_true(id_equal(&h.agent, &who.id));
	assert_int_equal(h.protocol, 2);
	assert_string_equal(h.row.name, "web1");
	assert_string_equal(h.tags, "{\"operator\":\"opsec\"}");
	assert_int_equal(h.policy_version, 1);
	assert_int_equal(h.nknown, 0);
	hello_release(&h);
	buf_release(&b);
	buf_release(&file);
}

static void
test_answer(void **state)
{
	struct buf question = recorded("envelope"), b = recorded("answer");
	struct buf file = recorded("seal"), secret;
	struct result_opener opener = { 0 };
	struct result_header h;
	struct result_opened o;
	struct envelope env;
	struct action asked;
	const uint8_t *sealed;
	struct id id;
	struct err e;

	if (envelope_parse(question.data, question.len, &env, &e) != 0 ||
	    action_parse(env.doc, env.doc_len, &asked, &e) != 0)
		fail_msg("%s", e.msg);
	assert_int_equal(env.nsigs, 1);
	assert_string_equal(asked.operations[0].module, "file");
	purpose_hash(PURPOSE_ACTION, env.doc, env.doc_len, &id);
	if (result_check(b.data, b.len, &h, &sealed, &e) != 0)
		fail_msg("%s", e.msg);
	assert_true(id_equal(&h.action, &id));
	assert_int_equal(h.status, RESULT_DONE);
	buf_init(&secret, 64);
	assert_int_equal(b64_decode(&secret, buf_str(&file), file.len), 0);
	assert_int_equal(secret.len, 32);
	if (result_open(&opener, &h, sealed, asked.seal_public, secret.data, &o,
		&e) != 0)
		fail_msg("%s", e.msg);
	assert_string_equal(o.agent_name, "web1");
	assert_int_equal(o.nparts, 1);
	assert_int_equal(o.parts[0].status, PART_DONE);
	assert_non_null(memmem(
	    o.parts[0].data, o.parts[0].len, "\"file\":\"/etc/hostname\"", 22));
	result_opened_release(&o);
	result_opener_release(&opener);
	action_release(&asked);
	buf_release(&secret);
	buf_release(&file);
	buf_release(&b);
	buf_release(&question);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
