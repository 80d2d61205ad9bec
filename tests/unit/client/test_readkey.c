/* SPDX-License-Identifier: MPL-2.0 */
/* A reader's own key: its name, its file, and the blocks sealed to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/sign/readkey.h"

#include "base/err.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET "0123456789abcdef0123456789abcdef"

static void
make(struct readkey *k)
{
	assert_int_equal(seal_keypair(k->pub, k->sec), 0);
}

static int
open_with(const char *text, const struct readkey *k, struct err *e)
{
	struct buf out;
	int rc;

	err_clear(e);
	buf_init(&out, 64);
	rc = readkey_open(text, k, &out, e);
	if (rc == 0) {
		assert_int_equal(out.len, 32);
		assert_memory_equal(out.data, SECRET, 32);
	} else {
		assert_int_equal(out.len, 0);
		assert_int_not_equal(e->msg[0], 0);
	}
	buf_release(&out);
	return rc;
}

static void
test_names(void **state)
{
	static const char *const bad[] = { "", "x25519:", "x25519:00",
		"X25519:"
		"00000000000000000000000000000000000000000000000000000000000000"
		"00",
		"x25519:"
		"0000000000000000000000000000000000000000000000000000000000000"
		"00g",
		"x25519:"
		"00000000000000000000000000000000000000000000000000000000000000"
		"0000" };
	char name[READKEY_NAME_LEN + 1], fpr[READKEY_FPR_LEN + 1];
	uint8_t pub[SEAL_KEY_LEN];
	struct readkey k;
	size_t i;

	make(&k);
	readkey_name(k.pub, name);
	assert_int_equal(strlen(name), READKEY_NAME_LEN);
	assert_true(readkey_parse(name, pub));
	assert_memory_equal(pub, k.pub, sizeof(pub));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(readkey_parse(bad[i], pub));
	/* python: hashlib.sha256(b"MIG reader v3\n" + bytes(32)) */
	memset(pub, 0, sizeof(pub));
	readkey_fpr(pub, fpr);
	assert_string_equal(fpr, "7ebd947aeb07b3a4d9bfd0f3e90d565d7fd3e327");
}

/* The secret half has five bits that X25519 does not use. */
static bool
same_key(const struct readkey *a, const struct readkey *b)
{
	struct buf text;
	struct err e;
	bool same;

	buf_init(&text, 65536);
	assert_int_equal(readkey_seal(b->pub, SECRET, 32, &text, &e), 0);
	same = memcmp(a->pub, b->pub, sizeof(a->pub)) == 0 &&
	    open_with(buf_str(&text), a, &e) == 0;
	buf_release(&text);
	return same;
}

static void
test_file(void **state)
{
	char dir[] = "/tmp/mig-readkey-XXXXXX", path[64];
	struct readkey k, back;
	struct stat st;
	struct buf b;
	struct err e;
	size_t i;
	int rc;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/reader.key", dir);
	assert_int_equal(readkey_load(path, &back, &e), ERR_NOTFOUND);
	assert_int_equal(readkey_make(path, &k, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(readkey_load(path, &back, &e), 0);
	assert_memory_equal(&back, &k, sizeof(k));
	assert_int_equal(readkey_make(path, &back, &e), ERR_EXISTS);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(readkey_load(path, &back, &e), ERR_DENIED);
	assert_int_equal(chmod(path, 0600), 0);
	/* cut anywhere, longer, or any bit of it changed */
	buf_init(&b, 4096);
	assert_int_equal(file_read(path, &b, &e), 0);
	for (i = 0; i < b.len; i++)
		assert_int_equal(
		    readkey_read(b.data, i, &back, &e), ERR_INVALID);
	for (i = 0; i < b.len * 8; i++) {
		b.data[i / 8] ^= (uint8_t)(1 << (i % 8));
		rc = readkey_read(b.data, b.len, &back, &e);
		b.data[i / 8] ^= (uint8_t)(1 << (i % 8));
		if (rc != 0)
			assert_int_equal(rc, ERR_INVALID);
		else if (memcmp(&back, &k, sizeof(k)) != 0)
			assert_true(same_key(&back, &k));
	}
	buf_add_str(&b, "\n");
	assert_int_equal(readkey_read(b.data, b.len, &back, &e), ERR_INVALID);
	assert_int_equal(file_write(path, b.data, b.len, 0600, &e), 0);
	assert_int_equal(readkey_load(path, &back, &e), ERR_INVALID);
	buf_release(&b);
	unlink(path);
	rmdir(dir);
}

struct found {
	char fprs[4][READKEY_FPR_LEN + 1];
	size_t n;
};

static int
take_reader(const char fpr[static READKEY_FPR_LEN + 1], void *arg)
{
	struct found *f = arg;

	memcpy(f->fprs[f->n++], fpr, READKEY_FPR_LEN + 1);
	return f->n == 4 ? ERR_DENIED : 0;
}

static void
test_blocks(void **state)
{
	struct found found = { .n = 0 };
	char fpr[READKEY_FPR_LEN + 1];
	struct readkey k[3];
	struct buf b;
	struct err e;
	size_t i;

	for (i = 0; i < 3; i++)
		make(&k[i]);
	buf_init(&b, 65536);
	buf_add_str(&b,
	    "-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP "
	    "MESSAGE-----\n");
	assert_int_equal(readkey_start(buf_str(&b)), b.len);
	assert_int_equal(open_with(buf_str(&b), &k[0], &e), ERR_NOTFOUND);
	i = b.len;
	assert_int_equal(readkey_seal(k[0].pub, SECRET, 32, &b, &e), 0);
	assert_int_equal(readkey_seal(k[1].pub, SECRET, 32, &b, &e), 0);
	assert_int_equal(readkey_start(buf_str(&b)), i);
	assert_int_equal(open_with(buf_str(&b), &k[0], &e), 0);
	assert_int_equal(open_with(buf_str(&b), &k[1], &e), 0);
	assert_int_equal(open_with(buf_str(&b), &k[2], &e), ERR_NOTFOUND);
	assert_int_equal(open_with("", &k[0], &e), ERR_NOTFOUND);
	assert_int_equal(
	    readkey_readers(buf_str(&b), take_reader, &found, &e), 0);
	assert_int_equal(found.n, 2);
	readkey_fpr(k[0].pub, fpr);
	assert_string_equal(found.fprs[0], fpr);
	readkey_fpr(k[1].pub, fpr);
	assert_string_equal(found.fprs[1], fpr);
	/* who is called back may end it */
	found.n = 3;
	assert_int_equal(
	    readkey_readers(buf_str(&b), take_reader, &found, &e), ERR_DENIED);
	found.n = 0;
	assert_int_equal(readkey_readers("", take_reader, &found, &e), 0);
	/* something else behind the blocks */
	buf_add_str(&b, "x");
	found.n = 0;
	assert_int_equal(
	    readkey_readers(buf_str(&b), take_reader, &found, &e), ERR_INVALID);
	assert_int_equal(open_with(buf_str(&b), &k[0], &e), 0);
	assert_int_equal(open_with(buf_str(&b), &k[2], &e), ERR_INVALID);
	buf_release(&b);
}

/* No changed byte opens as anything; none crashes. */
static void
test_changes(void **state)
{
	struct readkey k;
	struct buf b;
	struct err e;
	char *copy;
	size_t i;

	make(&k);
	buf_init(&b, 65536);
	assert_int_equal(readkey_seal(k.pub, SECRET, 32, &b, &e), 0);
	for (i = 0; i < b.len; i++) {
		copy = strdup(buf_str(&b));
		assert_non_null(copy);
		copy[i] = copy[i] == 'A' ? 'B' : 'A';
		assert_int_not_equal(open_with(copy, &k, &e), 0);
		copy[i] = '\0';
		assert_int_not_equal(open_with(copy, &k, &e), 0);
		free(copy);
	}
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
