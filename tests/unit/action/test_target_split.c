/* SPDX-License-Identifier: MPL-2.0 */
/* Old targets: what can be split off, and what must not be lost quietly. */
#include "action/document.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
test_table(void **state)
{
	static const struct {
		const char *in, *want; /* NULL: refused */
		bool online;
	} rows[] = {
		{ "all", "all", false },
		{ "", "all", false },
		{ "name='x'", "name='x'", false },
		{ "status='online'", "all", true },
		{ " status = 'online' ", "all", true },
		{ "name='x' AND status='online'", "name='x'", true },
		{ "status='online' AND name='x'", "name='x'", true },
		{ "STATUS == 'online' and name='x'", "name='x'", true },
		{ "name='x' AND status='online' AND os='y'",
		    "name='x' AND os='y'", true },
		{ "status='online' AND status='idle'", "all", true },
		{ "status='online' AND name='x' AND status!='offline'",
		    "name='x'", true },
		{ "(name='x' OR name='y') AND status='online'",
		    "(name='x' OR name='y')", true },
		{ "name='status=' AND status='online'", "name='status='",
		    true },
		{ "name='a''b' AND  status='online'", "name='a''b'", true },
		{ "name BETWEEN 'a' AND 'b' AND status='online'",
		    "name BETWEEN 'a' AND 'b'", true },
		{ "name='x' OR status='online'", NULL, false },
		{ "name='x' OR name='y' AND status='online'", NULL, false },
		{ "NOT status='online'", NULL, false },
		{ "name='x' AND NOT status='online'", NULL, false },
		{ "name='x' AND (status='online' OR status='idle')", NULL,
		    false },
		{ "(status='online')", NULL, false },
		{ "status='offline'", NULL, false },
		{ "status <> 'online'", NULL, false },
		{ "status LIKE 'on%'", NULL, false },
		{ "status='online' = 1", NULL, false },
		{ "status", NULL, false },
		{ "name='x", NULL, false },
		{ "name='x'; AND status='online'", NULL, false },
	};
	struct buf out;
	struct err e;
	bool online;
	size_t i;
	int rc;

	buf_init(&out, 4096);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&out);
		online = false;
		rc = action_target_split(rows[i].in, &out, &online, &e);
		if (rows[i].want == NULL) {
			if (rc != ERR_INVALID || out.len != 0 || online)
				fail_msg("%s: %d", rows[i].in, rc);
			continue;
		}
		if (rc != 0)
			fail_msg("%s: %s", rows[i].in, e.msg);
		assert_string_equal(buf_str(&out), rows[i].want);
		assert_int_equal(online, rows[i].online);
	}
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
