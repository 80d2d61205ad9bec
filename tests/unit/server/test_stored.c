/* SPDX-License-Identifier: MPL-2.0 */
/* Bits changed in the database: in a row, and anywhere in the file. What comes
 * out is what was put in, or an error; never another action. */
#include "server/stored.h"

#include "../nomemory.h"
#include "action/envelope.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "crypto/purpose.h"
#include "crypto/sha256.h"
#include "server/store/actions.h"
#include "server/store/people.h"
#include "server/store/store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char document[] =
    "{\"syntaxversion\":3,\"nonce\":\"000102030405060708090a0b0c0d0e0f\","
    "\"name\":\"find it\",\"target\":\"name = 'web1'\","
    "\"validfrom\":\"2026-11-23T03:00:00Z\","
    "\"expireafter\":\"2026-11-23T04:00:00Z\",\"require\":{\"weight\":1},"
    "\"operations\":[{\"module\":\"file\",\"parameters\":{\"searches\":{"
    "\"s1\":{\"paths\":[\"/etc\"],\"names\":[\"^passwd$\"]}}}}],"
    "\"seal\":{\"public\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\","
    "\"readers\":[\"ABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCD\"],"
    "\"key\":\"-----BEGIN PGP MESSAGE-----\\n\\nx\\n"
    "-----END PGP MESSAGE-----\\n\"}}";

#define FROM 1795402800 /* 2026-11-23T03:00:00Z */

static void
make(struct store_action *a, struct buf *b)
{
	struct envelope env = { .doc = (const uint8_t *)document,
		.doc_len = sizeof(document) - 1,
		.nsigs = 1,
		.sigs = { { .data = (const uint8_t *)"sig", .len = 3 } } };
	struct err e;

	buf_init(b, 1 << 20);
	assert_int_equal(envelope_write(&env, b, &e), 0);
	memset(a, 0, sizeof(*a));
	purpose_hash(PURPOSE_ACTION, document, sizeof(document) - 1, &a->id);
	a->name = "find it";
	a->target = "name = 'web1'";
	a->investigators = "[]";
	a->valid_from = FROM;
	a->expire_after = FROM + 3600;
	a->envelope = b->data;
	a->envelope_len = b->len;
}

/* The core leaves out what is damaged, until it is started anew. */
static void
test_without_memory(void **state)
{
	struct store_action a;
	struct buf b;
	struct err e;

	make(&a, &b);
	err_clear(&e);
	no_memory = true;
	assert_int_equal(stored_action(&a, &e), ERR_NOMEM);
	no_memory = false;
	assert_null(strstr(e.msg, "damaged"));
	assert_int_equal(stored_action(&a, &e), 0);
	buf_release(&b);
}

static void
test_row(void **state)
{
	static const char *const targets[] = { "", "all", "name = 'web2'",
		"name = 'web1' " };
	struct store_action a, bad;
	struct buf b;
	struct err e;
	size_t bit, at;

	make(&a, &b);
	err_clear(&e);
	assert_int_equal(stored_action(&a, &e), 0);
	for (bit = 0; bit < 8 * b.len; bit++) {
		at = bit / 8;
		b.data[at] ^= (uint8_t)(1 << bit % 8);
		/* signatures are the agents' to check */
		if (at < b.len - 3)
			assert_int_equal(stored_document(&a, &e), ERR_INVALID);
		b.data[at] ^= (uint8_t)(1 << bit % 8);
	}
	for (bit = 0; bit < 8 * ID_LEN; bit++) {
		bad = a;
		bad.id.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(stored_document(&bad, &e), ERR_INVALID);
	}
	for (bit = 0; bit < 64; bit++) {
		bad = a;
		bad.valid_from ^= (int64_t)(1ull << bit);
		assert_int_equal(stored_action(&bad, &e), ERR_INVALID);
		bad = a;
		bad.expire_after ^= (int64_t)(1ull << bit);
		assert_int_equal(stored_action(&bad, &e), ERR_INVALID);
	}
	for (at = 0; at < sizeof(targets) / sizeof(targets[0]); at++) {
		bad = a;
		bad.target = targets[at];
		err_clear(&e);
		assert_int_equal(stored_action(&bad, &e), ERR_INVALID);
		assert_non_null(strstr(e.msg, "damaged in the store"));
	}
	bad = a;
	bad.envelope_len = 0;
	assert_int_equal(stored_document(&bad, &e), ERR_INVALID);
	buf_release(&b);
}

/* --- the file --------------------------------------------------------------*/

struct seen {
	size_t n, damaged;
};

static int
on_action(const struct store_action *a, void *arg)
{
	struct seen *s = arg;
	struct store_action want;
	struct envelope env;
	struct buf b;
	struct err e;

	s->n++;
	err_clear(&e);
	if (stored_action(a, &e) != 0) {
		s->damaged++;
		return 0;
	}
	/* what is believed is what was asked */
	make(&want, &b);
	assert_true(id_equal(&a->id, &want.id));
	assert_string_equal(a->target, want.target);
	assert_int_equal(
	    envelope_parse(a->envelope, a->envelope_len, &env, &e), 0);
	assert_int_equal(env.doc_len, sizeof(document) - 1);
	assert_memory_equal(env.doc, document, env.doc_len);
	buf_release(&b);
	return 0;
}

static void
fill(const char *path, const struct id *token)
{
	struct store_action a;
	struct store *w;
	struct buf b;
	struct err e;
	int64_t n;

	assert_int_equal(store_open(path, STORE_WRITE, &w, &e), 0);
	make(&a, &b);
	assert_int_equal(store_action_put(w, &a, NULL, 0, &n, &e), 0);
	assert_int_equal(store_investigator_put(w,
			     &(struct store_investigator){ .fpr = "ab",
				 .name = "Alice",
				 .role = PERSON_READER,
				 .keyring = "k" },
			     &e),
	    0);
	assert_int_equal(
	    store_session_put(w, token, "ab", 1, INT64_MAX, &e), 0);
	store_checkpoint(w);
	store_close(w);
	buf_release(&b);
}

/* Whatever the file says: an answer or an error, and no stranger gets in. */
static void
look(const char *path, const struct id *token, struct seen *s)
{
	struct id stranger = *token;
	struct store_caller session;
	struct store *r;
	struct err e;

	err_clear(&e);
	if (store_open(path, STORE_READ, &r, &e) != 0) {
		assert_true(e.msg[0] != '\0');
		return;
	}
	stranger.b[31] ^= 0x55; /* two bits: no flip makes it */
	assert_int_not_equal(
	    store_caller_get(r, &stranger, 2, &session, &e), 0);
	if (store_caller_get(r, token, 2, &session, &e) == 0)
		assert_true(session.fpr[0] != '\0');
	(void)store_actions_live(r, 0, on_action, s, &e);
	store_close(r);
}

static void
test_file(void **state)
{
	char dir[] = "/tmp/mig-test-stored-XXXXXX", path[64], command[80];
	struct id token = { { 1, 2, 3 } };
	struct seen s = { 0, 0 };
	struct buf b;
	struct err e;
	size_t at, flips = 0;
	uint8_t byte;
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/db", dir);
	fill(path, &token);
	buf_init(&b, 16 << 20);
	assert_int_equal(file_read(path, &b, &e), 0);
	assert_true((fd = open(path, O_WRONLY)) >= 0);
	for (at = 0; at < b.len; at++) {
		/* empty space in pages: now and then */
		if (at >= 100 && b.data[at] == 0 && at % 101 != 0)
			continue;
		byte = b.data[at] ^ (uint8_t)(1 << at % 8);
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
		look(path, &token, &s);
		assert_int_equal(pwrite(fd, b.data + at, 1, (off_t)at), 1);
		flips++;
	}
	close(fd);
	/* it was looked at, and damage to the document was seen */
	assert_true(flips > 2000 && s.n > flips / 2);
	assert_true(s.damaged > sizeof(document) - 1);
	buf_release(&b);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_memory),
		cmocka_unit_test(test_row),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
