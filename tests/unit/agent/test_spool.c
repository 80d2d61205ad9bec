/* SPDX-License-Identifier: MPL-2.0 */
/* Answers on the disk: found again, bounded, acknowledged ones first to go. */
#include "agent/store/spool.h"

#include "agent/store/small.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1700000000

static char dir[64];

/* --- a disk that fails, in the place of base/fault_none.c ----------------- */

static const char *fails; /* NULL: nothing does */
static int fails_at;      /* the call that does, from 1 */
static unsigned int dir_syncs, data_syncs;

int
fault_error(const char *name, const char *what)
{
	if (fails == NULL || strcmp(fails, name) != 0 || --fails_at != 0)
		return 0;
	fails = NULL;
	errno = EIO;
	return EIO;
}

void
fault_point(const char *name)
{
}

int64_t
fault_clock_ms(void)
{
	return 0;
}

char *const *
fault_env(void)
{
	return NULL;
}

int
fsync(int fd)
{
	dir_syncs++;
	return (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	data_syncs++;
	return (int)syscall(SYS_fdatasync, fd);
}

/* At the call of that number from now on. */
static void
fail_call(const char *name, int number)
{
	fails = name;
	fails_at = number;
}

static int
make_dir(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/test-spool-XXXXXX");
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
remove_dir(void **state)
{
	char name[PATH_MAX];
	struct dirent *de;
	DIR *d = opendir(dir);

	while ((de = readdir(d)) != NULL) {
		snprintf(name, sizeof(name), "%s/%s", dir, de->d_name);
		unlink(name);
	}
	closedir(d);
	return rmdir(dir);
}

static struct spool *
open_spool(uint64_t quota)
{
	struct spool *s = NULL;

	assert_int_equal(spool_open(dir, quota, NOW, &s, NULL), 0);
	return s;
}

static struct id
number(uint8_t n)
{
	struct id id = { { 0 } };

	id.b[0] = n;
	return id;
}

static void
there_and_back(void **state)
{
	struct spool *s = open_spool(1000);
	struct id a = number(1), b = number(2);
	struct buf got;

	assert_int_equal(spool_put(s, &a, NOW, "hello world", 11, NULL), 0);
	buf_init(&got, 100);
	assert_int_equal(spool_read(s, &a, 6, 5, &got, NULL), 0);
	assert_memory_equal(got.data, "world", 5);
	assert_int_equal(spool_read(s, &a, 6, 6, &got, NULL), ERR_IO);
	assert_int_equal(spool_read(s, &b, 0, 1, &got, NULL), ERR_NOTFOUND);
	buf_release(&got);
	assert_null(spool_find(s, &b));
	/* the same again takes the place of the first */
	assert_int_equal(spool_put(s, &a, NOW, "bye", 3, NULL), 0);
	assert_int_equal(spool_find(s, &a)->len, 3);
	assert_int_equal(spool_room(s), 997);
	spool_free(s);
}

#define LARGE (SMALL_DATA_MAX + 1)
static uint8_t large[LARGE];

/* What spool_put() has put needs no record. */
static void
settle(struct spool *s)
{
	struct err e;

	assert_int_equal(spool_settle(s, false, &e), 0);
}

static void
found_again(void **state)
{
	struct spool *s = open_spool(1000);
	struct id a = number(1), b = number(2);
	char path[PATH_MAX];

	assert_int_equal(spool_put(s, &a, NOW, "12345", 5, NULL), 0);
	assert_int_equal(spool_put(s, &b, NOW, "1234567", 7, NULL), 0);
	spool_free(s);
	/* an unfinished write and a stranger's file */
	snprintf(path, sizeof(path), "%s/%s.aBcDeF", dir, id_hex(&a).s);
	assert_int_equal(file_write(path, "x", 1, 0600, NULL), 0);
	snprintf(path, sizeof(path), "%s/readme", dir);
	assert_int_equal(file_write(path, "x", 1, 0600, NULL), 0);
	s = open_spool(1000);
	settle(s);
	assert_int_equal(spool_waiting(s), 2);
	assert_int_equal(spool_room(s), 988);
	spool_describe(s, &b, NOW + 5, true);
	assert_int_equal(spool_waiting(s), 1);
	assert_int_equal(spool_room(s), 995);
	assert_int_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/%s.aBcDeF", dir, id_hex(&a).s);
	assert_int_not_equal(access(path, F_OK), 0);
	spool_free(s);
}

static void
room_is_made_of_acknowledged_ones(void **state)
{
	struct spool *s = open_spool(100);
	uint8_t data[100] = { 0 };
	struct id id[5];
	uint8_t i;

	for (i = 0; i < 5; i++)
		id[i] = number(i);
	assert_int_equal(spool_put(s, &id[0], NOW + 9, data, 40, NULL), 0);
	assert_int_equal(spool_put(s, &id[1], NOW + 5, data, 40, NULL), 0);
	assert_int_equal(
	    spool_put(s, &id[2], NOW + 1, data, 40, NULL), ERR_BUSY);
	spool_ack(s, &id[0]);
	spool_ack(s, &id[1]);
	assert_int_equal(spool_put(s, &id[2], NOW + 1, data, 40, NULL), 0);
	/* the one that ends first had to go */
	assert_null(spool_find(s, &id[1]));
	assert_non_null(spool_find(s, &id[0]));
	assert_int_equal(
	    spool_put(s, &id[3], NOW + 1, data, 61, NULL), ERR_BUSY);
	assert_int_equal(spool_put(s, &id[3], NOW + 1, data, 60, NULL), 0);
	assert_null(spool_find(s, &id[0]));
	assert_int_equal(spool_room(s), 0);
	spool_free(s);
}

#define DAY_MS (SPOOL_KEEP_SECONDS * 1000LL)

static void
kept_a_day_after_the_end(void **state)
{
	struct spool *s = open_spool(100000);
	int64_t later = clock_mono_ms() + DAY_MS + 60000;
	int64_t end = NOW + SPOOL_KEEP_SECONDS;
	struct id id;
	uint8_t i;

	for (i = 0; i < 100; i++) {
		id = number(i);
		assert_int_equal(spool_put(s, &id, NOW + i, "x", 1, NULL), 0);
		spool_ack(s, &id);
	}
	assert_int_equal(spool_clean_in_ms(s, end - 1, later), 1000);
	assert_int_equal(spool_clean_in_ms(s, end, later), 0);
	assert_in_range(spool_clean_in_ms(s, end, later - DAY_MS), 1, DAY_MS);
	assert_int_equal(spool_clean(s, end - 1, later), 0);
	/* the wall clock jumped: no day has passed */
	assert_int_equal(spool_clean(s, end + 49, later - DAY_MS), 0);
	assert_int_equal(spool_clean(s, end + 49, later), 50);
	id = number(49);
	assert_null(spool_find(s, &id));
	id = number(50);
	assert_non_null(spool_find(s, &id));
	assert_int_equal(spool_waiting(s), 0);
	spool_free(s);
}

static void
note_lost(const struct spool_item *it, void *arg)
{
	struct id *ids = arg;

	ids[ids[0].b[1]++ + 1] = it->id;
}

static void
unacknowledged_go_only_for_room(void **state)
{
	struct spool *s = open_spool(100);
	int64_t later = clock_mono_ms() + DAY_MS + 60000;
	struct id id[4], lost[4] = { 0 };
	uint8_t i, data[100] = { 0 };

	spool_on_lost(s, note_lost, lost);
	for (i = 0; i < 4; i++)
		id[i] = number((uint8_t)(i + 1));
	assert_int_equal(spool_put(s, &id[0], NOW + 9, data, 40, NULL), 0);
	assert_int_equal(spool_put(s, &id[1], NOW + 5, data, 40, NULL), 0);
	assert_int_equal(spool_room(s), 20);
	assert_int_equal(
	    spool_clean(s, NOW + 9 + SPOOL_KEEP_SECONDS, later), 0);
	assert_int_equal(spool_waiting(s), 2);
	assert_int_equal(spool_room(s), 100);
	/* the overdue need no look: room or an acknowledgement ends them */
	assert_int_equal(
	    spool_clean_in_ms(s, NOW + 9 + SPOOL_KEEP_SECONDS, later), -1);
	assert_int_equal(spool_put(s, &id[2], NOW + 90, data, 50, NULL), 0);
	assert_int_equal(lost[0].b[1], 1);
	assert_true(id_equal(&lost[1], &id[1]));
	assert_non_null(spool_find(s, &id[0]));
	/* what is not overdue stays */
	assert_int_equal(
	    spool_put(s, &id[3], NOW + 90, data, 51, NULL), ERR_BUSY);
	spool_free(s);
}

static void
refusals_have_a_pool(void **state)
{
	struct spool *s = open_spool(100);
	uint8_t data[SPOOL_SMALL + 1] = { 0 };
	struct id id[3] = { number(1), number(2), number(3) };
	struct err e;

	assert_int_equal(spool_put(s, &id[0], NOW, data, 100, NULL), 0);
	assert_int_equal(spool_reserve(s, 292, false, NULL), ERR_BUSY);
	assert_int_equal(
	    spool_reserve(s, SPOOL_SMALL + 1, true, NULL), ERR_BUSY);
	assert_int_equal(spool_reserve(s, 292, true, NULL), 0);
	assert_int_equal(spool_stage(s, &id[1], 1, data, 292, NULL), 0);
	assert_int_equal(spool_commit(s, &id[1], NOW, 292, NULL), 0);
	assert_int_equal(spool_find(s, &id[1])->len, 292);
	/* staged only: not there, and swept at the next start */
	assert_int_equal(spool_stage(s, &id[2], 2, large, LARGE, NULL), 0);
	assert_null(spool_find(s, &id[2]));
	spool_free(s);
	s = open_spool(1000);
	spool_proven(s, &id[1], 1);
	assert_int_equal(spool_settle(s, false, &e), 0);
	assert_int_equal(spool_waiting(s), 2);
	assert_int_equal(
	    spool_commit(s, &id[2], NOW, LARGE, NULL), ERR_NOTFOUND);
	spool_free(s);
}

static void
put_at(struct spool *s, uint8_t n, uint64_t position, const char *text)
{
	struct id id = number(n);
	struct err e;

	assert_int_equal(
	    spool_stage(s, &id, position, text, strlen(text), &e), 0);
	assert_int_equal(spool_commit(s, &id, NOW, strlen(text), &e), 0);
}

static void
is(struct spool *s, uint8_t n, const char *text)
{
	struct id id = number(n);
	struct buf got;

	assert_non_null(spool_find(s, &id));
	assert_int_equal(spool_find(s, &id)->len, strlen(text));
	buf_init(&got, 100);
	assert_int_equal(spool_read(s, &id, 0, strlen(text), &got, NULL), 0);
	assert_memory_equal(got.data, text, strlen(text));
	buf_release(&got);
}

static size_t
blocks(void)
{
	struct stat st;
	char path[128];

	snprintf(path, sizeof(path), "%s/" SMALL_NAME, dir);
	return stat(path, &st) == 0 ? (size_t)(st.st_size / SMALL_BLOCK) : 0;
}

static void
small_ones_count_if_the_record_has_them(void **state)
{
	struct spool *s = open_spool(100000);
	struct id id[5];
	struct err e;
	uint8_t i;

	for (i = 0; i < 5; i++)
		id[i] = number(i);
	put_at(s, 0, 3, "zero");
	put_at(s, 2, 6, "two");
	/* not committed: written over by the next that is staged */
	assert_int_equal(spool_stage(s, &id[3], 7, "no", 2, &e), 0);
	put_at(s, 4, 7, "four");
	/* the crash came before the record had this one */
	assert_int_equal(spool_stage(s, &id[3], 8, "three", 5, &e), 0);
	assert_int_equal(blocks(), 16);
	spool_free(s);
	assert_int_equal(spool_count(dir), 4);

	s = open_spool(100000);
	assert_int_equal(spool_waiting(s), 0);
	spool_proven(s, &id[0], 3);
	spool_proven(s, &id[3], 4); /* another of its answers */
	spool_proven(s, &id[2], 6);
	spool_proven(s, &id[4], 7);
	assert_int_equal(spool_settle(s, false, &e), 0);
	assert_int_equal(spool_waiting(s), 3);
	is(s, 0, "zero");
	is(s, 2, "two");
	is(s, 4, "four");
	assert_null(spool_find(s, &id[3]));
	/* removed from the file too */
	assert_int_equal(spool_count(dir), 3);
	/* the place in the record is another's; and a lost record */
	spool_free(s);
	s = open_spool(100000);
	spool_proven(s, &id[0], 3);
	spool_proven(s, &id[1], 6);
	spool_proven(s, &id[4], 7);
	assert_int_equal(spool_settle(s, false, &e), 0);
	assert_int_equal(spool_waiting(s), 2);
	assert_null(spool_find(s, &id[2]));
	spool_free(s);
	s = open_spool(100000);
	assert_int_equal(spool_settle(s, true, &e), 0);
	assert_int_equal(spool_waiting(s), 2);
	/* for good, whatever stands at their places in the next record */
	put_at(s, 1, 3, "one");
	spool_free(s);
	s = open_spool(100000);
	spool_proven(s, &id[1], 3);
	assert_int_equal(spool_settle(s, false, &e), 0);
	assert_int_equal(spool_waiting(s), 3);
	is(s, 0, "zero");
	is(s, 1, "one");
	is(s, 4, "four");
	/* a record that was cut: no crash takes two */
	put_at(s, 2, 4, "two");
	put_at(s, 3, 5, "three");
	spool_free(s);
	s = open_spool(100000);
	spool_proven(s, &id[1], 3);
	assert_int_equal(spool_settle(s, false, &e), 0);
	assert_int_equal(spool_waiting(s), 5);
	spool_free(s);
}

static void
later_answers_take_the_place(void **state)
{
	struct spool *s = open_spool(100000);
	struct id a = number(1), b = number(2);
	struct err e;

	/* both are there, as after a crash: the older removed, not synced */
	assert_int_equal(spool_put(s, &b, NOW, large, LARGE, &e), 0);
	put_at(s, 3, 9, "other");
	put_at(s, 1, 4, "old");
	assert_int_equal(spool_stage(s, &a, 7, "new", 3, &e), 0);
	spool_free(s);
	s = open_spool(100000);
	assert_int_equal(spool_stage(s, &b, 8, "refused", 7, &e), 0);
	spool_free(s);

	s = open_spool(100000);
	assert_int_equal(spool_waiting(s), 1);
	spool_proven(s, &a, 4);
	spool_proven(s, &a, 7);
	spool_proven(s, &b, 8);
	assert_int_equal(spool_settle(s, false, &e), 0);
	is(s, 1, "new");
	is(s, 2, "refused");
	assert_int_equal(spool_waiting(s), 2);
	assert_int_equal(spool_count(dir), 2);
	spool_free(s);
}

static void
more_than_there_are_blocks(void **state)
{
	struct spool *s = open_spool(10000000);
	struct id id = { { 0 } };
	struct err e;
	size_t i;

	for (i = 0; i < SMALL_BLOCKS_MAX + 2; i++) {
		id.b[0] = (uint8_t)i;
		id.b[1] = (uint8_t)(i >> 8);
		assert_int_equal(spool_put(s, &id, NOW, &i, sizeof(i), &e), 0);
		spool_ack(s, &id);
	}
	assert_int_equal(spool_find(s, &id)->block, -1);
	assert_int_equal(blocks(), SMALL_BLOCKS_MAX);
	assert_int_equal(spool_count(dir), SMALL_BLOCKS_MAX + 2);
	assert_int_equal(spool_clean(s, NOW + SPOOL_KEEP_SECONDS,
			     clock_mono_ms() + SPOOL_KEEP_SECONDS * 1000LL),
	    SMALL_BLOCKS_MAX + 2);
	assert_int_equal(spool_count(dir), 0);
	put_at(s, 1, 1, "again");
	assert_int_equal(blocks(), SMALL_BLOCKS_MAX);
	is(s, 1, "again");
	spool_free(s);
}

static void
whatever_bit_of_a_head_has_changed(void **state)
{
	struct spool *s = open_spool(100000);
	uint8_t block[SMALL_BLOCK];
	struct err e;
	char path[128];
	size_t i, at;
	int fd;

	put_at(s, 1, 0, "hello");
	spool_free(s);
	snprintf(path, sizeof(path), "%s/" SMALL_NAME, dir);
	assert_true((fd = open(path, O_RDWR)) >= 0);
	assert_int_equal(pread(fd, block, SMALL_BLOCK, 0), SMALL_BLOCK);
	for (i = 0; i < 2 * SMALL_HEAD; i++) {
		at = i < SMALL_HEAD ? i : SMALL_DATA_MAX + i;
		block[at] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(
		    pwrite(fd, block, SMALL_BLOCK, 0), SMALL_BLOCK);
		s = open_spool(100000);
		settle(s);
		is(s, 1, "hello");
		spool_free(s);
		block[at] ^= (uint8_t)(1u << i % 8);
	}
	/* both: a free block; and a file that is none of blocks */
	memset(block, 0xff, 9);
	memset(block + SMALL_BLOCK - SMALL_HEAD, 0xff, 9);
	assert_int_equal(pwrite(fd, block, SMALL_BLOCK, 0), SMALL_BLOCK);
	assert_int_equal(ftruncate(fd, SMALL_BLOCK + 100), 0);
	close(fd);
	s = open_spool(100000);
	settle(s);
	assert_int_equal(spool_waiting(s), 0);
	put_at(s, 2, 0, "two");
	is(s, 2, "two");
	spool_free(s);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	err_clear(&e);
	assert_int_equal(spool_open(dir, 1000, NOW, &s, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "not a regular file"));
	assert_int_equal(rmdir(path), 0);
}

static void
what_a_lost_record_proved_stays(void **state)
{
	struct spool *s = open_spool(100000);
	struct id id = number(1);
	struct err e;

	put_at(s, 1, 6, "one");
	spool_free(s);
	/* the record is damaged behind the entry that says so */
	s = open_spool(100000);
	spool_proven(s, &id, 6);
	assert_int_equal(spool_settle(s, true, &e), 0);
	assert_int_equal(spool_waiting(s), 1);
	/* a second call has nothing to do */
	assert_int_equal(spool_settle(s, false, &e), 0);
	assert_int_equal(spool_waiting(s), 1);
	spool_free(s);
	/* the next one begins anew */
	s = open_spool(100000);
	assert_int_equal(spool_settle(s, false, &e), 0);
	is(s, 1, "one");
	spool_free(s);
}

/* all: the record is lost; else it was cut. */
static void
interrupt_settling(bool all)
{
	struct spool *s = open_spool(100000);
	char path[128];
	struct err e;

	put_at(s, 1, 3, "one");
	put_at(s, 2, 5, "two");
	spool_free(s);
	s = open_spool(100000);
	fail_call("small.write", 2);
	assert_int_equal(spool_settle(s, all, &e), ERR_IO);
	spool_free(s);
	s = open_spool(100000);
	assert_int_equal(spool_settle(s, false, &e), 0);
	is(s, 1, "one");
	is(s, 2, "two");
	spool_free(s);
	s = open_spool(100000);
	assert_int_equal(spool_settle(s, false, &e), 0);
	assert_int_equal(spool_waiting(s), 2);
	spool_free(s);
	snprintf(path, sizeof(path), "%s/" SMALL_NAME, dir);
	assert_int_equal(unlink(path), 0);
}

static void
settling_that_was_interrupted_goes_on(void **state)
{
	interrupt_settling(true);
	interrupt_settling(false);
}

static bool
knows(const struct id *id, void *arg)
{
	return id_equal(id, arg);
}

static void
what_else_knows_of_an_answer(void **state)
{
	struct spool *s = open_spool(100000);
	struct id one = number(1), two = number(2);
	struct err e;

	put_at(s, 1, 3, "one");
	spool_free(s);
	/* the record lost its last entry */
	s = open_spool(100000);
	spool_on_unproven(s, knows, &one);
	assert_int_equal(spool_settle(s, false, &e), 0);
	is(s, 1, "one");
	spool_free(s);
	s = open_spool(100000);
	settle(s);
	is(s, 1, "one");
	/* of the other nothing knows, or it knows of an earlier answer */
	assert_int_equal(spool_put(s, &two, NOW, large, LARGE, &e), 0);
	spool_describe(s, &one, NOW, true);
	assert_int_equal(
	    spool_clean(s, NOW + SPOOL_KEEP_SECONDS, clock_mono_ms() + DAY_MS),
	    1);
	assert_int_equal(spool_stage(s, &one, 5, "no", 2, &e), 0);
	spool_free(s);
	s = open_spool(100000);
	spool_on_unproven(s, knows, &two);
	assert_int_equal(spool_settle(s, false, &e), 0);
	assert_null(spool_find(s, &one));
	assert_int_equal(spool_stage(s, &two, 5, "no", 2, &e), 0);
	spool_free(s);
	s = open_spool(100000);
	spool_on_unproven(s, knows, &two);
	assert_int_equal(spool_settle(s, false, &e), 0);
	assert_int_equal(spool_find(s, &two)->block, -1);
	spool_free(s);
}

static void
a_block_that_cannot_be_read_is_left_alone(void **state)
{
	struct spool *s = open_spool(100000);
	struct id id;
	uint8_t i;

	for (i = 1; i <= 3; i++)
		put_at(s, i, 0, "abc");
	spool_free(s);
	fail_call("small.read", 2);
	s = open_spool(100000);
	settle(s);
	assert_int_equal(spool_waiting(s), 2);
	id = number(2);
	assert_null(spool_find(s, &id));
	put_at(s, 4, 0, "four");
	id = number(4);
	assert_int_equal(spool_find(s, &id)->block, 3);
	fail_call("small.read", 2);
	assert_int_equal(spool_count(dir), 3);
	spool_free(s);
	/* the disk had a bad day */
	s = open_spool(100000);
	settle(s);
	assert_int_equal(spool_waiting(s), 4);
	is(s, 2, "abc");
	spool_free(s);
}

static void
limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
growing_as_far_as_the_disk_lets_it(void **state)
{
	struct sigaction old, ignore = { .sa_handler = SIG_IGN };
	struct spool *s = open_spool(100000);
	struct id id = number(1);
	struct err e;

	assert_int_equal(sigaction(SIGXFSZ, &ignore, &old), 0);
	/* the name is synced, whatever comes after */
	limit_files(0);
	dir_syncs = 0;
	assert_int_not_equal(spool_stage(s, &id, 0, "one", 3, &e), 0);
	assert_int_equal(dir_syncs, 1);
	limit_files((rlim_t)2 * SMALL_BLOCK);
	put_at(s, 1, 0, "one");
	assert_int_equal(blocks(), 2);
	put_at(s, 2, 0, "two");
	id = number(3);
	assert_int_not_equal(spool_stage(s, &id, 0, "three", 5, &e), 0);
	limit_files(RLIM_INFINITY);
	put_at(s, 3, 0, "three");
	assert_int_equal(blocks(), 16);
	assert_int_equal(sigaction(SIGXFSZ, &old, NULL), 0);
	is(s, 1, "one");
	is(s, 2, "two");
	is(s, 3, "three");
	spool_free(s);
}

/* The older is not found again after a power loss. */
static void
what_gives_way_goes_synced(void **state)
{
	struct spool *s = open_spool(100000);
	struct id id = number(1);
	struct err e;

	put_at(s, 1, 4, "old");
	assert_int_equal(spool_stage(s, &id, 7, large, LARGE, &e), 0);
	fail_call("spool.rename", 1);
	assert_int_equal(spool_commit(s, &id, NOW, LARGE, &e), ERR_IO);
	is(s, 1, "old");
	data_syncs = 0;
	assert_int_equal(spool_commit(s, &id, NOW, LARGE, &e), 0);
	assert_int_equal(data_syncs, 1);
	assert_int_equal(spool_find(s, &id)->block, -1);
	assert_int_equal(spool_count(dir), 1);
	/* a file for a file */
	assert_int_equal(spool_put(s, &id, NOW, large, LARGE, &e), 0);
	assert_int_equal(spool_count(dir), 1);
	assert_int_equal(spool_waiting(s), 1);

	put_at(s, 2, 8, "old");
	id = number(2);
	assert_int_equal(spool_stage(s, &id, 9, "new", 3, &e), 0);
	spool_free(s);
	s = open_spool(100000);
	data_syncs = 0;
	assert_int_equal(spool_settle(s, true, &e), 0);
	/* both are vouched for, one is freed */
	assert_int_equal(data_syncs, 3);
	is(s, 2, "new");
	spool_free(s);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(there_and_back),
		CASE(found_again),
		CASE(room_is_made_of_acknowledged_ones),
		CASE(kept_a_day_after_the_end),
		CASE(unacknowledged_go_only_for_room),
		CASE(refusals_have_a_pool),
		CASE(small_ones_count_if_the_record_has_them),
		CASE(later_answers_take_the_place),
		CASE(more_than_there_are_blocks),
		CASE(whatever_bit_of_a_head_has_changed),
		CASE(what_a_lost_record_proved_stays),
		CASE(settling_that_was_interrupted_goes_on),
		CASE(what_else_knows_of_an_answer),
		CASE(a_block_that_cannot_be_read_is_left_alone),
		CASE(growing_as_far_as_the_disk_lets_it),
		CASE(what_gives_way_goes_synced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
