/* SPDX-License-Identifier: MPL-2.0 */
/* The table from id to thing against a plain array, ids chosen to collide. */
#include "agent/store/idmap.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N 400

struct thing {
	struct id id;
	bool there;
};

static void
like_an_array(void **state)
{
	static struct thing t[N];
	struct idmap m = { 0 };
	size_t i, n = 0, step;

	for (i = 0; i < N; i++) {
		/* few different homes, the rest of the id differs */
		t[i].id.b[0] = (uint8_t)(i % 7);
		t[i].id.b[30] = (uint8_t)(i >> 8);
		t[i].id.b[31] = (uint8_t)i;
	}
	srand(1);
	for (step = 0; step < 20000; step++) {
		i = (size_t)rand() % N;
		if (t[i].there) {
			assert_int_equal(idmap_add(&m, &t[i]), ERR_EXISTS);
			assert_ptr_equal(idmap_take(&m, &t[i].id), &t[i]);
			n--;
		} else {
			assert_null(idmap_find(&m, &t[i].id));
			assert_null(idmap_take(&m, &t[i].id));
			assert_int_equal(idmap_add(&m, &t[i]), 0);
			n++;
		}
		t[i].there = !t[i].there;
		assert_int_equal(m.n, n);
	}
	for (i = 0; i < N; i++)
		assert_ptr_equal(
		    idmap_find(&m, &t[i].id), t[i].there ? &t[i] : NULL);
	idmap_release(&m);
	assert_null(idmap_find(&m, &t[0].id));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(like_an_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
