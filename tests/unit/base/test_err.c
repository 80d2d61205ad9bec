/* SPDX-License-Identifier: MPL-2.0 */
/* Error codes and messages. */
#include "base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

static void
test_set_and_wrap(void **state)
{
	struct err e;

	assert_int_equal(err_set(&e, ERR_INVALID, "bad %d", 7), ERR_INVALID);
	assert_int_equal(e.code, ERR_INVALID);
	assert_string_equal(e.msg, "bad 7");
	assert_int_equal(err_wrap(&e, "file %s", "x"), ERR_INVALID);
	assert_string_equal(e.msg, "file x: bad 7");
	err_clear(&e);
	assert_int_equal(e.code, 0);
	assert_string_equal(e.msg, "");
}

static void
test_errno(void **state)
{
	static const struct {
		int no;
		int code;
	} t[] = {
		{ ENOENT, ERR_NOTFOUND },
		{ EEXIST, ERR_EXISTS },
		{ EACCES, ERR_DENIED },
		{ EPERM, ERR_DENIED },
		{ ENOMEM, ERR_NOMEM },
		{ EAGAIN, ERR_BUSY },
		{ ETIMEDOUT, ERR_TIMEOUT },
		{ EPIPE, ERR_CLOSED },
		{ EOPNOTSUPP, ERR_UNSUPPORTED },
		{ ENOSPC, ERR_IO },
		{ 0, ERR_IO },
	};
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		errno = t[i].no;
		assert_int_equal(err_errno(&e, "open"), t[i].code);
		assert_int_equal(e.code, t[i].code);
	}
	errno = ENOENT;
	err_errno(&e, "open %s", "/x");
	assert_string_equal(e.msg, "open /x: No such file or directory");
}

static void
test_code(void **state)
{
	struct err e;

	assert_int_equal(err_code(&e, ERR_NOMEM, "policy %d", 2), ERR_NOMEM);
	assert_int_equal(e.code, ERR_NOMEM);
	assert_string_equal(e.msg, "policy 2: out of memory");
	assert_int_equal(err_code(NULL, ERR_TOOBIG, "x"), ERR_TOOBIG);
}

static void
test_cut(void **state)
{
	char longer[2 * ERR_MSG_MAX];
	struct err e;
	int i;

	memset(longer, 'w', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	err_set(&e, ERR_IO, "%s", longer);
	assert_int_equal(strlen(e.msg), ERR_MSG_MAX - 1);
	assert_string_equal(e.msg + ERR_MSG_MAX - 4, "...");
	errno = ENOENT;
	err_errno(&e, "%s", longer);
	assert_string_equal(e.msg + ERR_MSG_MAX - 4, "...");

	/* wrapped again and again: the outermost context stays */
	err_set(&e, ERR_IO, "start");
	for (i = 0; i < 300; i++)
		assert_int_equal(err_wrap(&e, "level %d", i), ERR_IO);
	assert_int_equal(strncmp(e.msg, "level 299: level 298: ", 22), 0);
	assert_string_equal(e.msg + ERR_MSG_MAX - 4, "...");
}

static void
test_without_struct(void **state)
{
	assert_int_equal(err_set(NULL, ERR_BUSY, "x"), ERR_BUSY);
	errno = EACCES;
	assert_int_equal(err_errno(NULL, "x"), ERR_DENIED);
	assert_int_not_equal(err_wrap(NULL, "x"), 0);
	err_clear(NULL);
}

static void
test_texts(void **state)
{
#define TEXT(name, value, text)        \
	assert_int_equal(name, value); \
	assert_string_equal(err_text(name), text);
	ERR_CODES(TEXT)
#undef TEXT
	assert_string_equal(err_text(0), "ok");
	assert_string_equal(err_text(-999), "unknown error");
	assert_string_equal(err_text(5), "unknown error");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_and_wrap),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_code),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_without_struct),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
