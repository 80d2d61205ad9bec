/* SPDX-License-Identifier: MPL-2.0 */
/* Whoever opens them, answers come in their order, and each says what it says
 * alone. */
#include "client/ask/openings.h"

#include "base/buf.h"
#include "crypto/seal.h"
#include "modules/module.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MANY 300
#define LARGE (1024 * 1024)

enum kind {
	GOOD,
	REFUSED,
	CHANGED,      /* a bit of it */
	OTHER_AGENT,  /* than the server says */
	OTHER_ACTION, /* is answered */
	OTHER_KEY,    /* it is sealed for */
	LONG,         /* when unpacked */
	KINDS,
};

static struct action action;
static struct id action_id;
static uint8_t secret[SEAL_KEY_LEN], other_public[SEAL_KEY_LEN];
static char *large; /* an answer of the module */

struct taken {
	size_t n, fail_at; /* 0: never */
};

static enum kind
kind_of(size_t i)
{
	return i % 3 == 0 ? (enum kind)(i / 3 % KINDS) : GOOD;
}

static int
setup(void **state)
{
	uint8_t other_secret[SEAL_KEY_LEN];
	int n;

	action.noperations = 1;
	action.operations[0].module_number = module_find("file")->number;
	memset(action_id.b, 0xaa, ID_LEN);
	large = malloc(LARGE + 128);
	if (large == NULL)
		return -1;
	n = sprintf(large,
	    "{\"foundanything\":true,\"success\":true,"
	    "\"elements\":{},\"x\":\"");
	memset(large + n, 'x', LARGE);
	strcpy(large + n + LARGE, "\"}");
	return seal_keypair(other_public, other_secret) != 0
	    ? -1
	    : seal_keypair(action.seal_public, secret);
}

static int
teardown(void **state)
{
	free(large);
	return 0;
}

static void
make(size_t i, struct id *ret_agent, struct buf *out)
{
	static const char found[] = "{\"foundanything\":true,\"success\":true,"
				    "\"elements\":{}}";
	enum kind kind = kind_of(i);
	const char *text = kind == LONG ? large : found;
	struct result_part part = { 0, PART_DONE, (const uint8_t *)text,
		strlen(text) };
	struct result_header h = { .status = RESULT_DONE, .time_ms = 1 };
	struct identity agent;
	char name[32];
	struct err e;

	identity_new(&agent);
	*ret_agent = agent.id;
	h.action = action_id;
	h.action.b[0] ^= kind == OTHER_ACTION;
	snprintf(name, sizeof(name), "agent%zu", i);
	if (kind == REFUSED) {
		h.status = RESULT_REFUSED;
		h.reason = 1;
	}
	if (result_make(&h, &agent, name,
		kind == REFUSED         ? NULL
		    : kind == OTHER_KEY ? other_public
					: action.seal_public,
		&part, kind == REFUSED ? 0 : 1, out, &e) != 0)
		fail_msg("%s", e.msg);
	out->data[out->len / 2] ^= kind == CHANGED;
	ret_agent->b[0] ^= kind == OTHER_AGENT;
}

static int
take(struct opened *o, void *arg)
{
	struct taken *t = arg;
	size_t i = t->n++;
	char name[32];

	snprintf(name, sizeof(name), "agent%zu", i);
	switch (kind_of(i)) {
	case GOOD:
	case LONG:
		assert_int_equal(o->code, 0);
		assert_int_equal(o->inside, 0);
		assert_string_equal(o->answer->name, name);
		assert_true(o->answer->found);
		assert_int_equal(o->answer->nparts, 1);
		break;
	case REFUSED:
		assert_int_equal(o->code, 0);
		assert_int_equal(o->header.reason, 1);
		assert_null(o->answer);
		break;
	case OTHER_KEY:
		assert_int_equal(o->code, 0);
		assert_int_equal(o->inside, ERR_AUTH);
		assert_null(o->answer);
		break;
	default:
		assert_int_equal(o->code, ERR_AUTH);
		assert_null(o->answer);
		assert_string_not_equal(o->e.msg, "");
	}
	return t->fail_at > 0 && t->n == t->fail_at ? ERR_IO : 0;
}

/* each: so many at a time, as they come from the server. */
static int
give(struct openings *o, size_t n, size_t each)
{
	struct id agent;
	struct buf out;
	size_t i;
	int r = 0;

	buf_init(&out, RESULT_SEALED_MAX);
	for (i = 0; i < n && r == 0; i++) {
		buf_clear(&out);
		make(i, &agent, &out);
		r = openings_add(o, &agent, out.data, out.len);
		if (r == 0 && i % each == each - 1)
			r = i % 2 == 0 ? openings_flush(o) : openings_ready(o);
	}
	buf_release(&out);
	return r != 0 ? r : openings_flush(o);
}

static void
run(size_t n, size_t each)
{
	struct taken t = { 0 };
	struct openings *o;
	struct err e;

	assert_int_equal(
	    openings_new(&action, &action_id, secret, take, &t, &o, &e), 0);
	assert_int_equal(give(o, n, each), 0);
	assert_int_equal(t.n, n);
	openings_free(o);
}

static void
test_in_order(void **state)
{
	run(1, 1);
	run(MANY, 1);
	run(MANY, 7);
	run(MANY, MANY);
}

static void
test_not_taken(void **state)
{
	static const size_t at[] = { 1, 7, 8, 9, 40 };
	struct openings *o;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		struct taken t = { .fail_at = at[i] };

		assert_int_equal(
		    openings_new(&action, &action_id, secret, take, &t, &o, &e),
		    0);
		assert_int_equal(give(o, 80, 5), ERR_IO);
		assert_int_equal(t.n, at[i]);
		openings_free(o);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_not_taken),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
