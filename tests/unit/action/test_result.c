/* SPDX-License-Identifier: MPL-2.0 */
/* Answers: round trips, every bit flip, hostile insides. */
#include "action/result.h"

#include "../counting.h"
#include "../known.h"
#include "base/err.h"
#include "crypto/seal.h"
#include "crypto/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <zstd.h>

static struct identity agent;
static uint8_t pub[SEAL_KEY_LEN], sec[SEAL_KEY_LEN];
static struct result_opener opener;

static int
setup(void **state)
{
	identity_new(&agent);
	return seal_keypair(pub, sec);
}

static int
teardown(void **state)
{
	result_opener_release(&opener);
	return 0;
}

static void
header(struct result_header *h)
{
	memset(h, 0, sizeof(*h));
	h->status = RESULT_DONE;
	memset(h->action.b, 0xaa, ID_LEN);
	h->time_ms = 1700000000123;
	h->policy_version = 7;
	memset(h->policy_hash.b, 0xbb, ID_LEN);
	h->record_position = 12;
	memset(h->record_head.b, 0xcc, ID_LEN);
}

static const struct result_part two_parts[] = {
	{ 0, PART_DONE, (const uint8_t *)"{\"foundanything\":true}", 22 },
	{ 3, PART_TIMEOUT, (const uint8_t *)"stopped", 7 },
};

static void
make(struct result_header *h, struct buf *out)
{
	struct err e;

	header(h);
	if (result_make(h, &agent, "web1", pub, two_parts, 2, out, &e) != 0)
		fail_msg("%s", e.msg);
}

static void
test_round_trip(void **state)
{
	struct result_header h, got;
	struct result_opened o;
	const uint8_t *sealed;
	struct buf out;
	struct err e;

	buf_init(&out, 1024 * 1024);
	make(&h, &out);
	assert_int_equal(
	    out.len, RESULT_HEADER_LEN + IDENTITY_SIG_LEN + h.sealed_len);
	if (result_check(out.data, out.len, &got, &sealed, &e) != 0)
		fail_msg("%s", e.msg);
	assert_memory_equal(&got, &h, sizeof(h));
	assert_int_equal(got.noperations, 2);
	assert_true(id_equal(&got.agent, &agent.id));
	if (result_open(&opener, &got, sealed, pub, sec, &o, &e) != 0)
		fail_msg("%s", e.msg);
	assert_string_equal(o.agent_name, "web1");
	assert_int_equal(o.nparts, 2);
	assert_int_equal(o.parts[1].operation, 3);
	assert_int_equal(o.parts[1].status, PART_TIMEOUT);
	assert_memory_equal(o.parts[0].data, two_parts[0].data, 22);
	result_opened_release(&o);
	/* sizes hide what was found: 1 KiB at least */
	assert_true(h.sealed_len > 1024);
	buf_release(&out);
}

/* RFC 8032 section 7.1, test 1. */
#define SEED "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
#define KEY "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define KEY_ID \
	"21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9"
/* what header() says, behind status and reason */
#define CLEAR                                         \
	X32("aa")                                     \
	KEY_ID KEY "0000018bcfe5687b"    /* clock */  \
		   "0000000000000007"    /* policy */ \
	    X32("bb") "000000000000000c" /* record */ \
	    X32("cc")

/* A whole answer, made of result.h and seal.h alone by a program that shares
 * nothing with ours. */
static void
test_known(void **state)
{
	static const char done[] =
	    "03010000" CLEAR "00020000"
	    "00000481" /* parts, sealed bytes and their digest */
	    "10895726cd08e33ede3aaee3d6df354a2764fa28585d394d2d20aec1e43315c2"
	    "e9ada8d32ef983beed9edd5237c5a50982ae785a3d22922abe37de9d953f25b1"
	    "55dd9e25b36bd20d546570c4bee466b837d6ab31de07479661ed9b2ee1453203";
	static const char refused[] =
	    "03020004" CLEAR "00000000"
	    "00000000"
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	    "d9916cfd6de50c3bbaf7bb50f15857094a59db4f36d4312a754f033d7343c7ff"
	    "dccb0c7433472cbc8a2686bf32141ed170f7c1ad8de5ae0bf53a4c09eaa8e101";
	static const char file[] = "mig-identity 3\n" SEED "\nid " KEY_ID "\n";
	const size_t clear = RESULT_HEADER_LEN + IDENTITY_SIG_LEN;
	uint8_t known_pub[SEAL_KEY_LEN], known_sec[SEAL_KEY_LEN];
	struct result_header h;
	struct result_opened o;
	struct identity who;
	const uint8_t *sealed;
	struct buf out;
	struct err e;
	size_t i;

	for (i = 0; i < SEAL_KEY_LEN; i++)
		known_sec[i] = (uint8_t)i;
	assert_int_equal(crypto_scalarmult_base(known_pub, known_sec), 0);
	assert_int_equal(identity_parse(file, sizeof(file) - 1, &who, &e), 0);
	buf_init(&out, 65536);
	header(&h);
	counting_begin();
	assert_int_equal(
	    result_make(&h, &who, "web1", known_pub, two_parts, 2, &out, &e),
	    0);
	counting_end();
	assert_string_equal(hex_of(out.data, clear), done);
	assert_int_equal(result_check(out.data, out.len, &h, &sealed, &e), 0);
	assert_int_equal(
	    result_open(&opener, &h, sealed, known_pub, known_sec, &o, &e), 0);
	assert_string_equal(o.agent_name, "web1");
	assert_int_equal(o.nparts, 2);
	assert_memory_equal(o.parts[1].data, "stopped", o.parts[1].len);
	result_opened_release(&o);
	buf_clear(&out);
	header(&h);
	h.status = RESULT_REFUSED;
	h.reason = 4;
	assert_int_equal(
	    result_make(&h, &who, "web1", NULL, NULL, 0, &out, &e), 0);
	assert_string_equal(hex_of(out.data, out.len), refused);
	buf_release(&out);
}

static void
test_refused(void **state)
{
	struct result_header h, got;
	struct result_opened o;
	const uint8_t *sealed;
	struct buf out;
	struct err e;

	buf_init(&out, 4096);
	header(&h);
	h.status = RESULT_REFUSED;
	h.reason = 4;
	assert_int_equal(
	    result_make(&h, &agent, "web1", NULL, NULL, 0, &out, &e), 0);
	assert_int_equal(out.len, RESULT_HEADER_LEN + IDENTITY_SIG_LEN);
	assert_int_equal(result_check(out.data, out.len, &got, &sealed, &e), 0);
	assert_int_equal(got.reason, 4);
	assert_int_equal(
	    result_open(&opener, &got, sealed, pub, sec, &o, &e), ERR_NOTFOUND);
	buf_release(&out);
}

static void
test_bit_flips(void **state)
{
	struct result_header h, got;
	const uint8_t *sealed;
	struct buf out;
	size_t i;

	buf_init(&out, 1024 * 1024);
	make(&h, &out);
	for (i = 0; i < out.len; i++) {
		out.data[i] ^= (uint8_t)(1 << (i % 8));
		if (result_check(out.data, out.len, &got, &sealed, NULL) == 0)
			fail_msg("byte %zu", i);
		out.data[i] ^= (uint8_t)(1 << (i % 8));
	}
	for (i = 0; i < RESULT_HEADER_LEN * 8; i++) {
		out.data[i / 8] ^= (uint8_t)(1 << (i % 8));
		assert_int_not_equal(
		    result_check(out.data, out.len, &got, &sealed, NULL), 0);
		out.data[i / 8] ^= (uint8_t)(1 << (i % 8));
	}
	for (i = 0; i < out.len; i += i < 400 ? 1 : 97)
		assert_int_not_equal(
		    result_check(out.data, i, &got, &sealed, NULL), 0);
	buf_add_u8(&out, 0);
	assert_int_not_equal(
	    result_check(out.data, out.len, &got, &sealed, NULL), 0);
	buf_release(&out);
}

static void
test_make_refuses(void **state)
{
	static const struct {
		const char *name;
		uint8_t status;
		uint16_t reason;
		bool seal;
		size_t nparts;
		uint16_t first, second;
		uint8_t part_status;
	} rows[] = {
		{ "done unsealed", RESULT_DONE, 0, false, 0, 0, 1, 1 },
		{ "done with reason", RESULT_DONE, 4, true, 1, 0, 1, 1 },
		{ "refused sealed", RESULT_REFUSED, 4, true, 0, 0, 1, 1 },
		{ "refused without", RESULT_REFUSED, 0, false, 0, 0, 1, 1 },
		{ "unknown status", 9, 0, true, 1, 0, 1, 1 },
		{ "parts unsealed", RESULT_STOPPED, 0, false, 1, 0, 1, 1 },
		{ "too many", RESULT_DONE, 0, true, 65, 0, 1, 1 },
		{ "twice", RESULT_DONE, 0, true, 2, 1, 1, 1 },
		{ "backwards", RESULT_DONE, 0, true, 2, 1, 0, 1 },
		{ "beyond", RESULT_DONE, 0, true, 2, 0, 64, 1 },
		{ "part status", RESULT_DONE, 0, true, 1, 0, 1, 0 },
	};
	struct result_part parts[65] = { { 0 } };
	struct result_header h, before;
	struct buf out;
	struct err e;
	size_t i;

	buf_init(&out, 1024 * 1024);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		header(&h);
		h.status = rows[i].status;
		h.reason = rows[i].reason;
		parts[0] = (struct result_part){ rows[i].first,
			rows[i].part_status, (const uint8_t *)"x", 1 };
		parts[1] = (struct result_part){ rows[i].second, 1,
			(const uint8_t *)"x", 1 };
		before = h;
		if (result_make(&h, &agent, "n", rows[i].seal ? pub : NULL,
			parts, rows[i].nparts, &out, &e) == 0)
			fail_msg("%s", rows[i].name);
		assert_memory_equal(&h, &before, sizeof(h));
		assert_int_equal(out.len, 0);
	}
	buf_release(&out);
}

static void
test_large_numbers(void **state)
{
	const int64_t most = (int64_t)1 << 53;
	struct result_header h;
	struct buf out;
	struct err e;
	size_t i;

	buf_init(&out, 4096);
	for (i = 0; i < 4; i++) {
		header(&h);
		h.status = RESULT_REFUSED;
		h.reason = 4;
		h.time_ms = most + (i == 1);
		h.record_position = (uint64_t)most + (i == 2);
		h.policy_version = i == 3 ? UINT64_MAX : (uint64_t)most;
		assert_int_equal(
		    result_make(&h, &agent, "n", NULL, NULL, 0, &out, &e),
		    i == 0 ? 0 : ERR_INVALID);
	}
	buf_release(&out);
}

/* Seals these bytes as if they were an answer and opens them. */
static int
open_forged(const void *plain, size_t len, bool compress, uint16_t noperations,
    struct err *e)
{
	struct result_header h;
	struct result_opened o;
	struct buf packed, sealed;
	int rc;

	buf_init(&packed, ZSTD_compressBound(len) + 1);
	buf_init(&sealed, 2 * 1024 * 1024);
	header(&h);
	h.agent = agent.id;
	h.noperations = noperations;
	if (compress)
		packed.len =
		    ZSTD_compress(buf_reserve(&packed, ZSTD_compressBound(len)),
			ZSTD_compressBound(len), plain, len, 3);
	else
		buf_add(&packed, plain, len);
	assert_int_equal(
	    seal_make(pub, packed.data, packed.len, &sealed, e), 0);
	h.sealed_len = (uint32_t)sealed.len;
	rc = result_open(&opener, &h, sealed.data, pub, sec, &o, e);
	if (rc == 0)
		result_opened_release(&o);
	buf_release(&packed);
	buf_release(&sealed);
	return rc;
}

static void
forge_plain(struct buf *b, const struct id *action, const struct id *who)
{
	buf_clear(b);
	buf_add(b, "MIGR\3\0\0\1", 8);
	buf_add(b, action->b, ID_LEN);
	buf_add(b, who->b, ID_LEN);
	buf_add_field(b, "n", 1);
	buf_add(b, "\0\0\1\0\0\0\0\1x", 9);
}

static void
test_forged_insides(void **state)
{
	struct result_header h;
	struct id other;
	struct buf b;
	struct err e;
	size_t n;

	buf_init(&b, 65536);
	header(&h);
	forge_plain(&b, &h.action, &agent.id);
	if (open_forged(b.data, b.len, true, 1, &e) != 0)
		fail_msg("%s", e.msg);
	assert_int_equal(open_forged(b.data, b.len, true, 2, &e), ERR_INVALID);
	assert_int_equal(open_forged(b.data, b.len, false, 1, &e), ERR_INVALID);
	for (n = 1; n < b.len; n++)
		assert_int_not_equal(open_forged(b.data, n, true, 1, &e), 0);
	buf_add_u8(&b, 0);
	assert_int_equal(open_forged(b.data, b.len, true, 1, &e), ERR_INVALID);
	memset(&other, 1, sizeof(other));
	forge_plain(&b, &other, &agent.id);
	assert_int_equal(open_forged(b.data, b.len, true, 1, &e), ERR_AUTH);
	forge_plain(&b, &h.action, &other);
	assert_int_equal(open_forged(b.data, b.len, true, 1, &e), ERR_AUTH);
	buf_release(&b);
}

/* A frame that claims or holds much more than allowed. */
static void
test_bomb(void **state)
{
	size_t n = (size_t)RESULT_PLAIN_MAX + 1;
	uint8_t *zeros = calloc(1, n);
	struct buf two;
	struct err e;

	assert_non_null(zeros);
	assert_int_equal(open_forged(zeros, n, true, 1, &e), ERR_TOOBIG);
	/* two frames, each fine */
	buf_init(&two, 4096);
	two.len = ZSTD_compress(buf_reserve(&two, 1024), 1024, "aaaa", 4, 3);
	two.len += ZSTD_compress(buf_reserve(&two, 1024), 1024, "bbbb", 4, 3);
	assert_int_equal(
	    open_forged(two.data, two.len, false, 1, &e), ERR_INVALID);
	buf_release(&two);
	free(zeros);
}

static void
test_wrong_key(void **state)
{
	uint8_t pub2[SEAL_KEY_LEN], sec2[SEAL_KEY_LEN];
	struct result_header h;
	struct result_opened o;
	const uint8_t *sealed;
	struct buf out;
	struct err e;

	assert_int_equal(seal_keypair(pub2, sec2), 0);
	buf_init(&out, 1024 * 1024);
	make(&h, &out);
	assert_int_equal(result_check(out.data, out.len, &h, &sealed, &e), 0);
	assert_int_equal(
	    result_open(&opener, &h, sealed, pub2, sec2, &o, &e), ERR_AUTH);
	/* another action's answer in this header */
	h.action.b[0] ^= 1;
	assert_int_equal(
	    result_open(&opener, &h, sealed, pub, sec, &o, &e), ERR_AUTH);
	buf_release(&out);
}

/* A large answer, at the limits of sealing. */
static void
test_large(void **state)
{
	size_t n = 12 * 1024 * 1024, i;
	struct result_part part = { 0, PART_DONE, NULL, n };
	uint8_t *data = malloc(n);
	struct result_header h, got;
	struct result_opened o;
	const uint8_t *sealed;
	struct buf out;
	struct err e;

	assert_non_null(data);
	for (i = 0; i < n; i++)
		data[i] = (uint8_t)("0123456789abcdef"[(i * i + i / 77) % 16]);
	part.data = data;
	buf_init(&out, 32 * 1024 * 1024);
	header(&h);
	if (result_make(&h, &agent, "n", pub, &part, 1, &out, &e) != 0)
		fail_msg("%s", e.msg);
	assert_int_equal(result_check(out.data, out.len, &got, &sealed, &e), 0);
	assert_int_equal(
	    result_open(&opener, &got, sealed, pub, sec, &o, &e), 0);
	assert_int_equal(o.parts[0].len, n);
	assert_memory_equal(o.parts[0].data, data, n);
	result_opened_release(&o);
	buf_release(&out);
	free(data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bit_flips),
		cmocka_unit_test(test_make_refuses),
		cmocka_unit_test(test_large_numbers),
		cmocka_unit_test(test_forged_insides),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_wrong_key),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
