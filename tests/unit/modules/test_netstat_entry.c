/* SPDX-License-Identifier: MPL-2.0 */
/* What is kept of an entry in a few bytes is all that its JSON is made of. */
#include "modules/netstat/entry.h"

#include "modules/common/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MAPPED(a, b, c, d)                                           \
	{                                                            \
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d \
	}
#define FULL8 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
#define FULL16               \
	{                    \
		FULL8, FULL8 \
	}

static const struct {
	struct os_net_record rec;
	const char *ifname; /* borrowed, or NULL */
	uint16_t space;
} samples[] = {
	{ { .table = OS_NET_TCP,
	      .u.socket = { .state = OS_LISTEN,
		  .local = MAPPED(127, 0, 0, 1),
		  .local_port = 22,
		  .inode = 4711 } },
	    NULL, 0 },
	{ { .table = OS_NET_TCP,
	      .u.socket = { .v6 = true,
		  .state = OS_BOUND,
		  .local = FULL16,
		  .remote = FULL16,
		  .local_port = 65535,
		  .remote_port = 65534,
		  .uid = UINT32_MAX,
		  .inode = UINT32_MAX } },
	    NULL, UINT16_MAX },
	{ { .table = OS_NET_UDP,
	      .u.socket = { .v6 = true,
		  .state = OS_ESTABLISHED,
		  .local = { [15] = 1 },
		  .remote = { 0xfd, [15] = 2 },
		  .local_port = 0x1234,
		  .remote_port = 0x4321,
		  .uid = 1000,
		  .inode = 0x12345678 } },
	    NULL, 1 },
	{ { .table = OS_NET_UDP }, "", 0 },
	{ { .table = OS_NET_LINKS }, "lo", 0 },
	{ { .table = OS_NET_LINKS,
	      .u.link = { .mac = { 2, 0, 0, 0, 0xaa, 1 }, .mac_len = 6 } },
	    "fifteen-letters", 1023 },
	{ { .table = OS_NET_NEIGHBOURS,
	      .u.neighbour = { .addr = FULL16,
		  .mac = { FULL8, FULL8, FULL8, FULL8 },
		  .mac_len = OS_MAC_MAX } },
	    "fifteen-letters", 1 },
	{ { .table = OS_NET_NEIGHBOURS,
	      .u.neighbour = { .addr = MAPPED(10, 0, 0, 7),
		  .mac = { 2 },
		  .mac_len = 1 } },
	    "", 1 },
	{ { .table = OS_NET_ADDRESSES,
	      .u.address = { .addr = MAPPED(10, 0, 0, 7) } },
	    "eth0", 0 },
	{ { .table = OS_NET_ADDRESSES, .u.address = { .addr = FULL16 } }, NULL,
	    2 },
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static void
add(struct rows *list, size_t i)
{
	uint8_t packed[ENTRY_PACKED_MAX];
	struct rows_field row = { packed, 0 };

	row.len = entry_pack(
	    &samples[i].rec, samples[i].space, samples[i].ifname, packed);
	assert_true(row.len <= sizeof(packed));
	assert_int_equal(rows_add(list, &row), 0);
}

static void
assert_same(const struct rows_field *row, size_t i)
{
	const struct os_net_record *want = &samples[i].rec;
	char ifname[OS_IFNAME_MAX];
	struct os_net_record rec;
	uint16_t space;

	entry_unpack(row->p, row->len, &rec, &space, ifname);
	assert_int_equal(rec.table, want->table);
	assert_int_equal(space, samples[i].space);
	assert_string_equal(
	    ifname, samples[i].ifname != NULL ? samples[i].ifname : "");
	switch (want->table) {
	case OS_NET_LINKS:
		assert_memory_equal(
		    &rec.u.link, &want->u.link, sizeof(rec.u.link));
		break;
	case OS_NET_NEIGHBOURS:
		assert_memory_equal(&rec.u.neighbour, &want->u.neighbour,
		    sizeof(rec.u.neighbour));
		break;
	case OS_NET_ADDRESSES:
		assert_memory_equal(
		    rec.u.address.addr, want->u.address.addr, 16);
		break;
	default:
		assert_memory_equal(
		    &rec.u.socket, &want->u.socket, sizeof(rec.u.socket));
	}
}

/* Each after each other, as what an entry shares depends on that. */
static void
test_comes_out_as_it_went_in(void **state)
{
	struct rows_field row;
	struct rows list;
	size_t i;

	rows_init(&list, 1, 100000);
	for (i = 0; i < SAMPLES * SAMPLES; i++) {
		add(&list, i / SAMPLES);
		add(&list, i % SAMPLES);
	}
	rows_rewind(&list);
	for (i = 0; i < SAMPLES * SAMPLES; i++) {
		assert_true(rows_next(&list, &row));
		assert_same(&row, i / SAMPLES);
		assert_true(rows_next(&list, &row));
		assert_same(&row, i % SAMPLES);
	}
	assert_false(rows_next(&list, &row));
	rows_release(&list);
}

/* 100,000 sockets in a megabyte or two, whether they listen or are connected.
 */
static void
test_is_small(void **state)
{
	struct os_net_record rec = { .table = OS_NET_TCP,
		.u.socket = { .state = OS_LISTEN,
		    .local = MAPPED(10, 0, 0, 1),
		    .uid = 33 } };
	uint8_t packed[ENTRY_PACKED_MAX];
	struct rows_field row = { packed, 0 };
	struct os_socket *s = &rec.u.socket;
	struct rows list;
	size_t before = 0;
	uint32_t i;

	rows_init(&list, 1, 1 << 24);
	for (i = 0; i < 200000; i++) {
		s->inode = i * 2654435761u;
		if (i < 100000) {
			s->local_port = (uint16_t)(i * 40503u);
		} else {
			s->state = OS_ESTABLISHED;
			s->local_port = 443;
			memcpy(s->remote, s->local, 12);
			memcpy(s->remote + 12, &s->inode, 4);
			s->remote_port = (uint16_t)(i * 40503u);
		}
		row.len = entry_pack(&rec, 0, NULL, packed);
		assert_int_equal(rows_add(&list, &row), 0);
		if (i == 99999)
			before = list.records.len;
	}
	assert_true(before <= 100000 * 12);
	assert_true(list.records.len - before <= 100000 * 18);
	rows_release(&list);
}

#define USERS 20000

static int64_t
cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The file is read once, however many users have sockets. */
static void
test_many_users(void **state)
{
	char path[] = "/tmp/passwd-XXXXXX", want[16];
	struct users users = { .file = path };
	int fd = mkstemp(path);
	int64_t before;
	uint32_t i;
	FILE *f;

	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	for (i = 0; i < USERS; i++)
		fprintf(
		    f, "u%u:x:%u:1::/:\n", i * 7919 % USERS, i * 7919 % USERS);
	fprintf(f, "second:x:7:1::/:\n");
	assert_int_equal(fclose(f), 0);
	before = cpu_ms();
	for (i = 0; i < USERS; i++) {
		snprintf(want, sizeof(want), "u%u", i);
		assert_string_equal(users_name(&users, i), want);
	}
	assert_in_range(cpu_ms() - before, 0, 2000);
	assert_string_equal(users_name(&users, UINT32_MAX), "4294967295");
	users_release(&users);
	unlink(path);
	users.file = path;
	assert_string_equal(users_name(&users, 0), "0");
	users_release(&users);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_out_as_it_went_in),
		cmocka_unit_test(test_is_small),
		cmocka_unit_test(test_many_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
