/* SPDX-License-Identifier: MPL-2.0 */
/* What reads documents says of itself that it had no memory, and not of the
 * document that it is malformed: that would be final. */
#include "action/acl.h"
#include "action/cancel.h"
#include "action/document.h"
#include "action/envelope.h"
#include "action/limits.h"
#include "action/share.h"

#include "../nomemory.h"
#include "base/buf.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static int
read_acl(const void *text, size_t len, struct err *e)
{
	struct acl *a;

	return acl_parse(text, len, &a, e);
}

static int
read_action(const void *text, size_t len, struct err *e)
{
	struct action a;

	return action_parse(text, len, &a, e);
}

static int
read_cancel(const void *text, size_t len, struct err *e)
{
	struct cancel c;

	return cancel_parse(text, len, &c, e);
}

static int
read_share(const void *text, size_t len, struct err *e)
{
	struct share s;

	return share_parse(text, len, &s, e);
}

static int
read_limits(const void *text, size_t len, struct err *e)
{
	struct policy_limits l;

	return policy_limits_parse(text, len, &l, e);
}

static int
read_envelope(const void *text, size_t len, struct err *e)
{
	struct buf out;
	int rc;

	buf_init(&out, ENVELOPE_MAX);
	rc = envelope_from_json(text, len, &out, e);
	buf_release(&out);
	return rc;
}

static void
test_memory(void **state)
{
	static int (*const readers[])(
	    const void *, size_t, struct err *) = { read_acl, read_action,
		read_cancel, read_share, read_limits, read_envelope };
	static const char text[] = "{\"syntaxversion\":3}";
	struct err e;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
		err_clear(&e);
		no_memory = true;
		rc = readers[i](text, sizeof(text) - 1, &e);
		no_memory = false;
		assert_int_equal(rc, ERR_NOMEM);
		assert_int_equal(e.code, ERR_NOMEM);
		assert_int_equal(
		    readers[i](text, sizeof(text) - 1, &e), ERR_INVALID);
		assert_int_equal(readers[i]("{", 1, &e), ERR_INVALID);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
