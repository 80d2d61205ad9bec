/* SPDX-License-Identifier: MPL-2.0 */
#include "base/err.h"
#include "os/os_process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
test_stat(void **state)
{
	static const struct {
		const char *text, *comm;
		int rc;
		uint32_t pid, parent;
		char letter;
		bool kernel;
	} table[] = {
		{ "1 (systemd) S 0 1 1 0 -1 4194560 1", "systemd", 0, 1, 0, 'S',
		    false },
		{ "2 (kthreadd) S 0 0 0 0 -1 2129984 0", "kthreadd", 0, 2, 0,
		    'S', true },
		{ "77 (a) R 1 (b)) Z 5 1 1 0 -1 0 0", "a) R 1 (b)", 0, 77, 5,
		    'Z', false },
		{ "9 () S 1 1 1 0 -1 0 0", "", 0, 9, 1, 'S', false },
		{ "", "", ERR_INVALID, 0, 0, 0, false },
		{ "9 (x", "", ERR_INVALID, 0, 0, 0, false },
		{ "9 )x(", "", ERR_INVALID, 0, 0, 0, false },
		{ "x (a) S 1 1 1 0 -1 0", "", ERR_INVALID, 0, 0, 0, false },
		{ "9 (a) S 1 1 1", "", ERR_INVALID, 0, 0, 0, false },
		{ "99999999999 (a) S 1 1 1 0 -1 0 0", "", ERR_INVALID, 0, 0, 0,
		    false },
	};
	struct os_process p;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		memset(&p, 0, sizeof(p));
		assert_int_equal(
		    os_process_parse(table[i].text, strlen(table[i].text), &p),
		    table[i].rc);
		assert_int_equal(p.pid, table[i].pid);
		assert_int_equal(p.parent, table[i].parent);
		assert_int_equal(p.state, table[i].letter);
		assert_int_equal(p.kernel, table[i].kernel);
		assert_string_equal(p.comm, table[i].comm);
	}
}

static const char smaps[] =
    "00400000-00401000 r--p 00000000 fd:01 1181239                    "
    "/usr/bin/x y (deleted)\n"
    "Size:                  4 kB\n"
    "Rss:                   4 kB\n"
    "Swap:                  8 kB\n"
    "VmFlags: rd mr mw me \n"
    "00401000-7f0000000000 rw-p 00000000 00:00 0 \n"
    "Rss:                   0 kB\n"
    "Private_Hugetlb:    2048 kB\n"
    "VmFlags: rd wr mr um \n"
    "this is no mapping\n"
    "7f0000000000-7f0000001000 rw-s 00001000 00:05 7          /dev/mem\n"
    "Rss:                   0 kB\n"
    "VmFlags: rd wr pf io \n";

struct seen {
	size_t n;
	struct os_mapping m[8];
	char path[8][64];
	size_t stop_after;
};

static bool
on_mapping(const struct os_mapping *m, void *arg)
{
	struct seen *s = arg;

	assert_true(s->n < 8 && m->path_len < 64);
	s->m[s->n] = *m;
	memcpy(s->path[s->n], m->path, m->path_len + 1);
	return ++s->n != s->stop_after;
}

/* The same in pieces of any size. */
static void
test_smaps(void **state)
{
	struct os_maps *p = calloc(1, sizeof(*p));
	struct seen s;
	size_t step, at, n, len = sizeof(smaps) - 1;

	for (step = 1; step <= len; step++) {
		memset(p, 0, sizeof(*p));
		memset(&s, 0, sizeof(s));
		for (at = 0; at < len; at += n) {
			n = len - at < step ? len - at : step;
			assert_true(
			    os_maps_feed(p, smaps + at, n, on_mapping, &s));
		}
		assert_true(os_maps_end(p, on_mapping, &s));
		assert_true(p->bad);
		assert_int_equal(s.n, 3);
		assert_string_equal(s.path[0], "/usr/bin/x y");
		assert_true(s.m[0].deleted && !s.m[0].device);
		assert_int_equal(s.m[0].major, 0xfd);
		assert_int_equal(s.m[0].inode, 1181239);
		assert_int_equal(s.m[0].present, 4096);
		assert_int_equal(s.m[0].swapped, 8192);
		assert_string_equal(s.path[1], "");
		assert_int_equal(s.m[1].end, 0x7f0000000000);
		assert_int_equal(s.m[1].present, 2048 * 1024);
		assert_true(s.m[1].userfault && s.m[1].detailed);
		assert_string_equal(s.m[2].permissions, "rw-s");
		assert_true(s.m[2].device);
	}
	memset(p, 0, sizeof(*p));
	memset(&s, 0, sizeof(s));
	s.stop_after = 1;
	assert_false(os_maps_feed(p, smaps, len, on_mapping, &s));
	assert_false(os_maps_end(p, on_mapping, &s));
	assert_int_equal(s.n, 1);
	free(p);
}

static void
test_bad_headers(void **state)
{
	static const char *const table[] = { "", "\n", "-", "1-1 r--p 0 0:0 0 ",
		"2-1 r--p 0 0:0 0 ", "1-2 rx", "1-2 r--p", "1-2 r--p 0 0:0",
		"1-2 r--q 0 0:0 0 ", "1-2 r--p 0 1ffffffff:0 0 ",
		"fffffffffffffffff-2 r--p 0 0:0 0 ", "g-2 r--p 0 0:0 0 " };
	struct os_maps *p = calloc(1, sizeof(*p));
	struct seen s;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		memset(p, 0, sizeof(*p));
		memset(&s, 0, sizeof(s));
		os_maps_feed(p, table[i], strlen(table[i]), on_mapping, &s);
		os_maps_end(p, on_mapping, &s);
		assert_int_equal(s.n, 0);
	}
	free(p);
}

/* Our own, as the kernel really writes it: this function, the stack. */
static bool
on_own(const struct os_mapping *m, void *arg)
{
	uint64_t *found = arg, here = (uint64_t)(uintptr_t)on_own;
	uint64_t stack = (uint64_t)(uintptr_t)&found;

	if (m->begin <= here && here < m->end) {
		assert_int_equal(m->permissions[2], 'x');
		assert_non_null(strstr(m->path, "test_process"));
		assert_true(m->inode != 0 && m->present > 0);
		*found |= 1;
	}
	if (m->begin <= stack && stack < m->end) {
		assert_true(m->present > 0 && !m->device);
		*found |= 2;
	}
	if (strcmp(m->path, "[vvar]") == 0) {
		assert_true(m->device);
		*found |= 4;
	}
	return true;
}

static void
test_real(void **state)
{
	struct os_maps *p = calloc(1, sizeof(*p));
	int fd = open("/proc/self/smaps", O_RDONLY);
	uint64_t found = 0;
	char buf[500];
	ssize_t n;

	if (fd < 0)
		skip();
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		os_maps_feed(p, buf, (size_t)n, on_own, &found);
	os_maps_end(p, on_own, &found);
	close(fd);
	assert_false(p->bad);
	assert_int_equal(found & 3, 3);
	free(p);
}

static void
test_devices(void **state)
{
	static const char text[] =
	    "21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
	    "22 21 0:20 / /run rw - tmpfs tmpfs rw\n"
	    "junk\n"
	    "23 21 0:44 / /mnt rw,relatime - nfs4 host:/ rw\n"
	    "24 21 0:45 / /f rw - fuse.sshfs x rw\n"
	    "25 21 0:46 / /o rw shared:7 master:8 - overlay overlay rw\n"
	    "26 21 x:1 / /o rw - ext4 y rw\n"
	    "27 21 0:47 / /p rw - fuse p rw";
	struct os_devices d;

	assert_int_equal(os_devices_parse(text, sizeof(text) - 1, &d), 0);
	assert_int_equal(d.n, 6);
	assert_int_equal(os_devices_find(&d, 254, 0), OS_DEVICE_LOCAL);
	assert_int_equal(os_devices_find(&d, 0, 20), OS_DEVICE_MEMORY);
	assert_int_equal(os_devices_find(&d, 0, 44), OS_DEVICE_REMOTE);
	assert_int_equal(os_devices_find(&d, 0, 45), OS_DEVICE_REMOTE);
	assert_int_equal(os_devices_find(&d, 0, 46), OS_DEVICE_LOCAL);
	assert_int_equal(os_devices_find(&d, 0, 47), OS_DEVICE_REMOTE);
	assert_int_equal(os_devices_find(&d, 0, 99), OS_DEVICE_UNKNOWN);
	assert_int_equal(os_devices_find(&d, 8, 1), OS_DEVICE_LOCAL);
	os_devices_release(&d);
	assert_int_equal(os_devices_parse("", 0, &d), 0);
	assert_int_equal(os_devices_find(&d, 0, 1), OS_DEVICE_UNKNOWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_smaps),
		cmocka_unit_test(test_bad_headers),
		cmocka_unit_test(test_real),
		cmocka_unit_test(test_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
