/* SPDX-License-Identifier: MPL-2.0 */
/* Answers that are worked over as a whole before they are written. */
#include "worker/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* What becomes of an answer for which there is room for max bytes. */
static void
indented(const char *answer, size_t max, char *ret, size_t size)
{
	int out = dup(STDOUT_FILENO), file = memfd_create("answer", 0);
	struct output o;
	struct err e;
	ssize_t n;
	int rc;

	fflush(stdout);
	assert_true(out >= 0 && file >= 0);
	assert_true(dup2(file, STDOUT_FILENO) >= 0);
	err_clear(&e);
	output_begin(&o, max, true, false);
	rc = buf_add_str(&o.text, answer);
	output_indent(&o);
	if (rc == 0)
		rc = output_end(&o, &e);
	output_release(&o);
	dup2(out, STDOUT_FILENO);
	close(out);
	assert_int_equal(rc, 0);
	n = pread(file, ret, size - 1, 0);
	assert_true(n >= 0);
	ret[n] = '\0';
	close(file);
}

static void
test_indent(void **state)
{
	static const char answer[] = "{\"a\":[[[1,2]],3]}";
	char want[256], ret[256];
	size_t len, max;

	indented(answer, 1024, want, sizeof(want));
	len = strlen(want);
	assert_true(len > 2 * sizeof(answer) && want[len - 1] == '\n');
	assert_non_null(strstr(want, "\n  \"a\": [\n    [\n"));
	/* what has no room so is there as it was: nothing is lost */
	for (max = sizeof(answer); max <= len; max++) {
		indented(answer, max, ret, sizeof(ret));
		if (max == len)
			assert_string_equal(ret, want);
		else
			assert_memory_equal(ret, answer, sizeof(answer) - 1);
	}
	indented("no JSON", 64, ret, sizeof(ret));
	assert_string_equal(ret, "no JSON\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_indent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
