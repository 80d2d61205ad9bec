/* SPDX-License-Identifier: MPL-2.0 */
/* Record files: what was written comes back, what was changed is noticed. */
#include "record/record.h"

#include "base/buf.h"
#include "../known.h"
#include "base/err.h"
#include "base/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define HEADER 16
#define ENTRY_HEADER 40
#define ROOM 16384

static char dir[] = "/tmp/mig-test-record.XXXXXX";
static char path[128];

struct seen {
	uint64_t n;
	uint64_t bytes;
	uint16_t last_type;
	char last[64];
};

static int
on_entry(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	struct seen *s = arg;

	assert_int_equal(position, s->n + 1);
	s->n++;
	s->bytes += len;
	s->last_type = type;
	snprintf(
	    s->last, sizeof(s->last), "%.*s", (int)len, (const char *)data);
	return 0;
}

static struct record *
open_ok(struct seen *s)
{
	struct record *r = NULL;
	struct err e;

	memset(s, 0, sizeof(*s));
	if (record_open(path, on_entry, s, &r, &e) != 0)
		fail_msg("%s", e.msg);
	return r;
}

static void
write_some(int n)
{
	struct record *r;
	struct seen s;
	struct err e;
	char text[32];

	unlink(path);
	r = open_ok(&s);
	for (int i = 1; i <= n; i++) {
		snprintf(text, sizeof(text), "entry number %d", i);
		assert_int_equal(
		    record_append(r, (uint16_t)i, text, strlen(text), &e), 0);
	}
	assert_int_equal(record_sync(r, &e), 0);
	record_free(r);
}

static void
read_whole(struct buf *b)
{
	buf_init(b, 16 << 20);
	assert_int_equal(file_read(path, b, NULL), 0);
}

static void
put(const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

static void
test_round_trip(void **state)
{
	struct record *r, *second;
	struct stat st;
	struct seen s;
	struct err e;
	struct id head;
	int64_t created;

	unlink(path);
	r = open_ok(&s);
	assert_true(record_was_new(r));
	assert_false(record_was_torn(r));
	assert_int_equal(record_position(r), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(record_append(r, 7, "one", 3, &e), 0);
	assert_int_equal(record_append(r, 8, NULL, 0, &e), 0);
	assert_int_equal(record_append(r, 9, "three", 5, &e), 0);
	assert_int_equal(record_sync(r, &e), 0);
	assert_int_equal(record_position(r), 3);
	head = *record_head(r);
	created = record_created_ms(r);
	/* one writer at a time; readers may look */
	assert_int_equal(record_open(path, NULL, NULL, &second, &e), ERR_BUSY);
	memset(&s, 0, sizeof(s));
	assert_int_equal(record_scan(path, on_entry, &s, &e), 0);
	assert_int_equal(s.n, 3);
	record_free(r);
	r = open_ok(&s);
	assert_false(record_was_new(r));
	assert_int_equal(s.n, 3);
	assert_int_equal(s.last_type, 9);
	assert_string_equal(s.last, "three");
	assert_true(id_equal(record_head(r), &head));
	assert_int_equal(record_created_ms(r), created);
	record_free(r);
}

/* Made of record.h alone by another program. */
static void
test_known(void **state)
{
	static const char file[] =
	    "4d4947524543330a"
	    "0000018bcfe5687b" /* "MIGREC3\n", ms */
	    "00000003"
	    "0007"
	    "0000"
	    "4615f267af119bbbe070eb8caaba25c2a7c3bebe1aad8b532d442b761c875d81"
	    "6f6e65"
	    "00000000"
	    "1234"
	    "0000"
	    "686a078ffe78f7ed7fbdceac63214d0cdbc2e2b1b396bfe3ba8514cc1dee1cca";
	uint8_t raw[(sizeof(file) - 1) / 2];
	struct record *r;
	struct seen s;
	struct buf b;
	struct err e;

	assert_int_equal(hex_decode(file, raw, sizeof(raw)), 0);
	put(raw, sizeof(raw));
	r = open_ok(&s);
	assert_false(record_was_torn(r));
	assert_int_equal(s.n, 2);
	assert_int_equal(s.last_type, 0x1234);
	assert_int_equal(record_created_ms(r), 1700000000123);
	assert_string_equal(
	    id_hex(record_head(r)).s, file + sizeof(file) - 1 - ID_HEX_LEN);
	record_free(r);
	/* and the entries are written so behind that header */
	put(raw, HEADER);
	r = open_ok(&s);
	assert_int_equal(record_append(r, 7, "one", 3, &e), 0);
	assert_int_equal(record_append(r, 0x1234, NULL, 0, &e), 0);
	record_free(r);
	read_whole(&b);
	assert_string_equal(hex_of(b.data, b.len), file);
	buf_release(&b);
}

struct chain {
	uint64_t next;
	struct id last;
};

static void
on_chain(uint64_t position, const struct id *chain, void *arg)
{
	struct chain *c = arg;

	assert_int_equal(position, c->next);
	assert_false(id_equal(chain, &c->last));
	c->last = *chain;
	c->next++;
}

/* Every head the record ever had is told, the first before any entry. */
static void
test_verify(void **state)
{
	struct record_found found;
	struct chain c = { 0 };
	struct record *r;
	struct seen s;
	struct err e;
	struct buf b;

	write_some(3);
	r = open_ok(&s);
	assert_int_equal(
	    record_verify(path, NULL, on_chain, &c, &found, &e), 0);
	assert_int_equal(c.next, 4);
	assert_int_equal(found.position, 3);
	assert_int_equal(found.created_ms, record_created_ms(r));
	assert_true(id_equal(&found.head, record_head(r)));
	assert_true(id_equal(&c.last, &found.head));
	assert_false(found.torn);
	record_free(r);
	read_whole(&b);
	put(b.data, b.len - 1);
	c = (struct chain){ 0 };
	assert_int_equal(
	    record_verify(path, NULL, on_chain, &c, &found, &e), 0);
	assert_true(found.torn);
	assert_int_equal(found.position, 2);
	buf_release(&b);
	unlink(path);
	assert_int_equal(
	    record_verify(path, NULL, on_chain, &c, &found, &e), ERR_NOTFOUND);
}

static void
test_largest(void **state)
{
	uint8_t *big = calloc(1, RECORD_ENTRY_MAX + 1);
	struct record *r;
	struct seen s;
	struct err e;

	unlink(path);
	r = open_ok(&s);
	assert_int_equal(
	    record_append(r, 1, big, RECORD_ENTRY_MAX + 1, &e), ERR_TOOBIG);
	assert_int_equal(record_append(r, 1, big, RECORD_ENTRY_MAX, &e), 0);
	record_free(r);
	r = open_ok(&s);
	assert_int_equal(s.bytes, RECORD_ENTRY_MAX);
	record_free(r);
	free(big);
}

/* Cut at every length: whole entries stay, the rest is cut off and said. */
static void
test_torn(void **state)
{
	struct record *r;
	struct seen s;
	struct buf b;
	struct err e;
	size_t len, last;

	write_some(3);
	read_whole(&b);
	last = b.len - ENTRY_HEADER - strlen("entry number 3");
	for (len = last; len < b.len; len++) {
		put(b.data, len);
		memset(&s, 0, sizeof(s));
		assert_int_equal(record_scan(path, on_entry, &s, &e), 0);
		r = open_ok(&s);
		/* a length begins with three zeros: as if nothing were there */
		assert_int_equal(record_was_torn(r), len > last + 3);
		assert_int_equal(s.n, 2);
		assert_string_equal(s.last, "entry number 2");
		/* and it goes on from there */
		assert_int_equal(record_append(r, 4, "new", 3, &e), 0);
		record_free(r);
		r = open_ok(&s);
		assert_false(record_was_torn(r));
		assert_int_equal(s.n, 3);
		assert_string_equal(s.last, "new");
		record_free(r);
	}
	/* not even a header: as if it were not there, and said */
	for (len = 0; len < HEADER; len++) {
		put(b.data, len);
		r = open_ok(&s);
		assert_true(record_was_torn(r) && record_was_new(r));
		assert_int_equal(s.n, 0);
		record_free(r);
	}
	buf_release(&b);
}

static off_t
size_of_file(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* The file grows ahead of what is written, and is as long as that again when
 * it is closed. */
static void
test_room(void **state)
{
	struct record *r;
	struct seen s;
	struct err e;
	off_t size;

	write_some(3);
	size = size_of_file();
	r = open_ok(&s);
	assert_int_equal(record_append(r, 4, "more", 4, &e), 0);
	assert_int_equal(size_of_file(), ROOM);
	for (int i = 0; i < 100; i++)
		assert_int_equal(record_append(r, 5, "more", 4, &e), 0);
	assert_int_equal(size_of_file(), ROOM);
	size += 101 * (ENTRY_HEADER + 4);
	assert_int_equal(record_bytes(r), size);
	/* others see no end that is torn */
	memset(&s, 0, sizeof(s));
	assert_int_equal(record_scan(path, on_entry, &s, &e), 0);
	assert_int_equal(s.n, 104);
	record_free(r);
	assert_int_equal(size_of_file(), size);
}

/* The bytes of a file that was not closed: with its room. */
static void
read_open(int n, const char *last, size_t len, struct buf *b)
{
	struct record *r;
	struct seen s;
	struct err e;

	write_some(n);
	r = open_ok(&s);
	assert_int_equal(record_append(r, 9, last, len, &e), 0);
	read_whole(b);
	assert_int_equal(b->len % ROOM, 0);
	record_free(r);
}

/* A crash before anything of an entry was written; room is used again. */
static void
test_room_found(void **state)
{
	struct record *r;
	struct seen s;
	struct buf b;
	struct err e;

	read_open(2, "last", 4, &b);
	put(b.data, b.len);
	r = open_ok(&s);
	assert_false(record_was_torn(r));
	assert_int_equal(s.n, 3);
	assert_string_equal(s.last, "last");
	assert_int_equal(record_append(r, 4, "new", 3, &e), 0);
	assert_int_equal(size_of_file(), b.len);
	record_free(r);
	r = open_ok(&s);
	assert_int_equal(s.n, 4);
	assert_string_equal(s.last, "new");
	record_free(r);
	/* more than anybody makes is cut off, and said */
	b.max = 1 << 20;
	assert_non_null(buf_reserve(&b, RECORD_ROOM_MAX + 1));
	memset(b.data + b.len, 0, RECORD_ROOM_MAX + 1);
	put(b.data, b.len + RECORD_ROOM_MAX + 1);
	r = open_ok(&s);
	assert_true(record_was_torn(r));
	assert_int_equal(s.n, 3);
	record_free(r);
	buf_release(&b);
}

/* Of an entry over several blocks each may be missing; they read as zeros. */
static void
test_torn_zeros(void **state)
{
	enum { BLOCK = 4096, LEN = 3 * BLOCK };
	char text[LEN];
	struct record *r;
	struct seen s;
	struct buf b;
	struct err e;
	size_t start, i;

	memset(text, 'x', sizeof(text));
	read_open(2, text, sizeof(text), &b);
	start = HEADER + 2 * (ENTRY_HEADER + strlen("entry number 1"));
	for (i = 0; i < 8; i++) {
		struct buf torn = { .max = 1 << 20 };

		assert_int_equal(buf_add(&torn, b.data, b.len), 0);
		/* bit by bit: the first three blocks, and what the fourth
		 * has of it */
		for (size_t k = 0; k < 4; k++) {
			size_t from = k == 0 ? start : k * BLOCK;

			if ((i + 8) >> k & 1)
				memset(torn.data + from, 0,
				    (k + 1) * BLOCK - from);
		}
		put(torn.data, torn.len);
		r = open_ok(&s);
		/* all of it: nothing was there */
		assert_int_equal(record_was_torn(r), i != 7);
		assert_int_equal(s.n, 2);
		record_free(r);
		buf_release(&torn);
	}
	/* what is missing within a block was not left out by a crash */
	memset(b.data + start + 1000, 0, 1000);
	put(b.data, b.len);
	assert_int_equal(record_open(path, NULL, NULL, &r, &e), ERR_INVALID);
	buf_release(&b);
}

/* No entry is lost or changed by a bit, whatever stands behind it. */
static void
test_flips_open(void **state)
{
	struct record *r = NULL;
	struct seen s;
	struct buf b;
	struct err e;
	size_t bit, end;
	int rc;

	/* one that ends with zeros of its own */
	read_open(3, "last\0\0\0", 7, &b);
	end = HEADER + 3 * (ENTRY_HEADER + strlen("entry number 1")) +
	    ENTRY_HEADER + 7;
	for (bit = 0; bit < b.len * 8; bit += bit < end * 8 ? 1 : 97) {
		b.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		put(b.data, b.len);
		memset(&s, 0, sizeof(s));
		rc = record_open(path, on_entry, &s, &r, &e);
		/* behind all entries it may be cut off with the room */
		assert_true(rc == ERR_INVALID || (rc == 0 && bit >= end * 8));
		if (rc == 0) {
			assert_int_equal(s.n, 4);
			assert_true(record_was_torn(r));
			record_free(r);
		}
		b.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
	}
	buf_release(&b);
}

/* Every bit of a stored file: no entry is changed, and none is lost. */
static void
test_flips(void **state)
{
	struct record *r = NULL;
	struct seen s;
	struct buf b, after;
	struct err e;
	size_t bit;

	write_some(4);
	read_whole(&b);
	for (bit = 0; bit < b.len * 8; bit++) {
		b.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		put(b.data, b.len);
		memset(&s, 0, sizeof(s));
		assert_int_equal(
		    record_open(path, on_entry, &s, &r, &e), ERR_INVALID);
		assert_non_null(strstr(e.msg, path));
		read_whole(&after);
		/* and nothing was touched */
		assert_int_equal(after.len, b.len);
		assert_memory_equal(after.data, b.data, b.len);
		buf_release(&after);
		b.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
	}
	buf_release(&b);
}

/* Entries that were exchanged, repeated or taken out break the chain. */
static void
test_rearranged(void **state)
{
	size_t entry = ENTRY_HEADER + strlen("entry number 1");
	struct record *r;
	struct buf b;
	struct err e;
	uint8_t *copy;

	write_some(4);
	read_whole(&b);
	copy = malloc(b.len + entry);
	memcpy(copy, b.data, b.len);
	memcpy(copy + HEADER, b.data + HEADER + entry, entry);
	memcpy(copy + HEADER + entry, b.data + HEADER, entry);
	put(copy, b.len);
	assert_int_equal(record_open(path, NULL, NULL, &r, &e), ERR_INVALID);
	memcpy(copy, b.data, HEADER);
	memcpy(copy + HEADER, b.data + HEADER + entry, b.len - HEADER - entry);
	put(copy, b.len - entry);
	assert_int_equal(record_open(path, NULL, NULL, &r, &e), ERR_INVALID);
	memcpy(copy, b.data, b.len);
	memcpy(copy + b.len, b.data + b.len - entry, entry);
	put(copy, b.len + entry);
	assert_int_equal(record_open(path, NULL, NULL, &r, &e), ERR_INVALID);
	free(copy);
	buf_release(&b);
}

static bool
keep_odd(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	return position % 2 == 1;
}

static void
test_rewrite(void **state)
{
	struct record *r, *second;
	int64_t created;
	struct seen s;
	struct err e;

	write_some(9);
	r = open_ok(&s);
	created = record_created_ms(r);
	assert_int_equal(record_rewrite(r, keep_odd, NULL, &e), 0);
	assert_int_equal(record_position(r), 5);
	assert_int_equal(record_append(r, 77, "after", 5, &e), 0);
	assert_int_equal(record_open(path, NULL, NULL, &second, &e), ERR_BUSY);
	record_free(r);
	r = open_ok(&s);
	assert_int_equal(s.n, 6);
	assert_string_equal(s.last, "after");
	assert_int_equal(record_created_ms(r), created);
	record_free(r);
}

/* Nothing of a refused entry stays, whatever happened before. */
static void
full_disk_child(void)
{
	struct rlimit lim = { 200, 200 };
	struct record *r;
	struct seen s;
	struct err e;
	uint8_t big[300] = { 0 };
	uint64_t before;

	signal(SIGXFSZ, SIG_IGN);
	unlink(path);
	r = open_ok(&s);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
	assert_int_equal(record_append(r, 1, "fits", 4, &e), 0);
	before = record_position(r);
	assert_int_equal(record_append(r, 2, big, sizeof(big), &e), ERR_IO);
	assert_non_null(strstr(e.msg, path));
	assert_int_equal(record_position(r), before);
	assert_int_equal(record_append(r, 3, "fits too", 8, &e), 0);
	/* compacting on a full disk leaves the old file in use */
	lim.rlim_cur = 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
	assert_true(record_rewrite(r, keep_odd, NULL, &e) < 0);
	lim.rlim_cur = 200;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
	assert_int_equal(record_append(r, 4, "last", 4, &e), 0);
	record_free(r);
	r = open_ok(&s);
	assert_false(record_was_torn(r));
	assert_int_equal(s.n, 3);
	assert_string_equal(s.last, "last");
	_exit(0);
}

static void
test_full_disk(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		full_disk_child();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(access(path, F_OK), 0);
}

static int
refuse_entry(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	return ERR_EXPIRED;
}

static void
test_errors(void **state)
{
	struct record *r = NULL;
	char other[160];
	struct err e;

	assert_int_equal(
	    record_open("/nonexistent/mig/journal", NULL, NULL, &r, &e),
	    ERR_NOTFOUND);
	assert_non_null(strstr(e.msg, "/nonexistent/mig/journal"));
	assert_true(record_open(dir, NULL, NULL, &r, &e) < 0);
	put("something else entirely", 23);
	assert_int_equal(record_open(path, NULL, NULL, &r, &e), ERR_INVALID);
	assert_int_equal(record_scan(path, NULL, NULL, &e), ERR_INVALID);
	snprintf(other, sizeof(other), "%s/link", dir);
	assert_int_equal(symlink("/etc/passwd", other), 0);
	assert_true(record_open(other, NULL, NULL, &r, &e) < 0);
	unlink(other);
	write_some(2);
	assert_int_equal(
	    record_scan(path, refuse_entry, NULL, &e), ERR_EXPIRED);
	assert_non_null(strstr(e.msg, "entry 1"));
	assert_null(r);
}

static void
test_read_only_dir(void **state)
{
	int status;
	pid_t pid;

	unlink(path);
	pid = fork();
	if (pid == 0) {
		struct record *r;
		struct err e;

		if (geteuid() == 0 && setuid(64321) != 0)
			_exit(1);
		if (geteuid() != 64321)
			chmod(dir, 0500);
		_exit(record_open(path, NULL, NULL, &r, &e) == ERR_DENIED &&
			    strstr(e.msg, path) != NULL
			? 0
			: 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	chmod(dir, 0755);
	assert_int_equal(status, 0);
}

static int
setup(void **state)
{
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) != 0)
		return -1;
	snprintf(path, sizeof(path), "%s/journal", dir);
	return 0;
}

static int
teardown(void **state)
{
	unlink(path);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_room_found),
		cmocka_unit_test(test_torn_zeros),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_flips_open),
		cmocka_unit_test(test_rearranged),
		cmocka_unit_test(test_rewrite),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_read_only_dir),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
