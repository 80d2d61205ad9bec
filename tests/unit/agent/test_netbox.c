/* SPDX-License-Identifier: MPL-2.0 */
/* net's start where no name server answers. */
#include "agent/net/netbox.h"

#include "base/clock.h"
#include "base/file.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const char servers[] = "nameserver 127.0.0.1\nnameserver 127.0.0.2\n";

/* In a network of its own, whose name servers take questions and say nothing.
 * false: this user may not make one. */
static bool
silence(void)
{
	char path[] = "/tmp/mig-test-netbox.XXXXXX";
	struct sockaddr_in any = { .sin_family = AF_INET,
		.sin_port = htons(53) };
	struct ifreq lo = { .ifr_flags = IFF_UP };
	int fd, s;

	if (unshare(CLONE_NEWNS | CLONE_NEWNET) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return false;
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, servers, strlen(servers), NULL), 0);
	close(fd);
	assert_int_equal(
	    mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL), 0);
	unlink(path);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(lo.ifr_name, sizeof(lo.ifr_name), "lo");
	assert_int_equal(ioctl(s, SIOCSIFFLAGS, &lo), 0);
	assert_int_equal(bind(s, (struct sockaddr *)&any, sizeof(any)), 0);
	return true;
}

static void
test_nobody_answers(void **state)
{
	int64_t begun;

	if (!silence())
		skip();
	begun = clock_mono_ms();
	netbox_warm_up("relay.invalid-for-certain");
	assert_in_range(clock_mono_ms() - begun, 1000, 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_answers),
	};

	return cmocka_run_group_tests_name("agent/netbox", tests, NULL, NULL);
}
