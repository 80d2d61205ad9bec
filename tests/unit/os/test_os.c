/* SPDX-License-Identifier: MPL-2.0 */
/* Facts about this host, compared with what other ways of asking say. */
#include "os/os.h"

#include "base/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmocka.h>

static void
test_host(void **state)
{
	struct os_host h, again;
	struct utsname u;
	struct err e;
	char address[64];
	uint8_t bytes[16];

	if (os_host_read(&h, &e) != 0)
		fail_msg("%s", e.msg);
	assert_int_equal(uname(&u), 0);
	assert_string_equal(h.name, u.nodename);
	assert_string_equal(h.kernel, u.release);
	assert_string_equal(h.os, "linux");
	assert_true(h.arch[0] != '\0' && strcmp(h.arch, "x86_64") != 0);
	assert_true(h.ident[0] != '\0' && strchr(h.ident, '"') == NULL);
	assert_true(strlen(h.init) > 0);
	for (size_t i = 0; i < h.naddresses; i++) {
		char *slash;

		memcpy(address, h.addresses[i], sizeof(address));
		slash = strchr(address, '/');
		assert_non_null(slash);
		*slash = '\0';
		assert_true(inet_pton(strchr(address, ':') ? AF_INET6 : AF_INET,
				address, bytes) == 1);
		assert_true(atoi(slash + 1) >= 0 && atoi(slash + 1) <= 128);
		assert_true(strncmp(address, "127.", 4) != 0 &&
		    strcmp(address, "::1") != 0 &&
		    strncmp(address, "fe80:", 5) != 0);
		if (i > 0)
			assert_true(
			    strcmp(h.addresses[i - 1], h.addresses[i]) <= 0);
	}
	assert_int_equal(os_host_read(&again, &e), 0);
	assert_memory_equal(&h, &again, sizeof(h));
}

static void
test_fingerprint(void **state)
{
	uint8_t a[32], b[32];
	struct err e;
	int rc = os_machine_fingerprint(a, &e);

	if (rc == ERR_NOTFOUND) {
		/* allowed only where there really is neither */
		assert_true(
		    access("/sys/class/dmi/id/product_uuid", R_OK) != 0);
		assert_non_null(strstr(e.msg, "machine-id"));
		return;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(os_machine_fingerprint(b, &e), 0);
	assert_memory_equal(a, b, 32);
}

static void
test_file_systems(void **state)
{
	static const struct {
		const char *dir;
		bool virtual_fs;
	} t[] = {
		{ "/", false },
		{ "/tmp", false },
		{ "/proc", true },
		{ "/proc/self", true },
		{ "/sys", true },
	};
	struct os_fs fs;
	int fd;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		fd = open(t[i].dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		os_fs_read(fd, &fs);
		assert_int_equal(fs.virtual, t[i].virtual_fs);
		assert_int_equal(os_fs_is_virtual(fd), t[i].virtual_fs);
		assert_false(fs.remote);
		assert_false(fs.virtual && (fs.tree || fs.ends_told));
		close(fd);
	}
	os_fs_read(-1, &fs);
	assert_false(fs.remote || fs.virtual || fs.tree || fs.ends_told);
	assert_false(os_fs_is_virtual(-1));
}

static void
test_same_mount(void **state)
{
	int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

	fd = os_open_same_mount(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		skip();
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(os_open_same_mount(top, "proc", O_RDONLY), -1);
	assert_int_equal(errno, EXDEV);
	close(top);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_fingerprint),
		cmocka_unit_test(test_file_systems),
		cmocka_unit_test(test_same_mount),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
