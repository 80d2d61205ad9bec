/* SPDX-License-Identifier: MPL-2.0 */
/* Honest work, done by sandboxed children of test_sandbox. */
#include "honest.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>

bool
honest_compute(void)
{
	struct timespec ts;
	struct timeval tv;
	char *p = malloc(8 << 20);
	uint8_t random[16];
	int fds = dup(0);

	if (p == NULL || fds < 0)
		return false;
	memset(p, 1, 8 << 20);
	p = realloc(p, 32 << 20);
	free(p);
	clock_gettime(CLOCK_REALTIME, &ts);
	gettimeofday(&tv, NULL);
	nanosleep(&(struct timespec){ 0, 1000 }, NULL);
	return getentropy(random, sizeof(random)) == 0 &&
	    prctl(PR_SET_NAME, "mig-test", 0, 0, 0) == 0 && close(fds) == 0;
}

bool
honest_read(void)
{
	DIR *d = opendir("/etc");
	struct dirent *de;
	char buf[64];
	struct stat st;
	int fd, n = 0;

	if (d == NULL)
		return false;
	while ((de = readdir(d)) != NULL)
		n++;
	closedir(d);
	fd = openat(AT_FDCWD, "/etc/passwd", O_RDONLY | O_CLOEXEC | O_NOATIME);
	if (fd < 0)
		fd = open("/etc/passwd", O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	return n > 3 && fd >= 0 && read(fd, buf, sizeof(buf)) > 0 &&
	    fstat(fd, &st) == 0 &&
	    mmap(NULL, 64, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED &&
	    stat("/etc/hostname", &st) + 1 >= 0 &&
	    readlink("/proc/self/exe", buf, sizeof(buf)) > 0 &&
	    faccessat(AT_FDCWD, "/etc/passwd", R_OK, AT_EACCESS) == 0;
}

bool
honest_dlopen(void)
{
	/* one that this program does not have yet */
	void *z = dlopen("libz.so.1", RTLD_NOW);

	return z != NULL && dlsym(z, "zlibVersion") != NULL;
}

bool
honest_net(void)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM };
	struct epoll_event ev = { .events = EPOLLIN };
	struct addrinfo *ai = NULL;
	int pair[2], ep, s;

	ep = epoll_create1(EPOLL_CLOEXEC);
	s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (ep < 0 || s < 0 || getaddrinfo("localhost", "1", &hints, &ai) != 0)
		return false;
	/* port 1: nobody listens, which is an answer and no refusal */
	if (connect(s, ai->ai_addr, ai->ai_addrlen) != 0 &&
	    errno != EINPROGRESS && errno != ECONNREFUSED &&
	    errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)
		return false;
	freeaddrinfo(ai);
	return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 &&
	    epoll_ctl(ep, EPOLL_CTL_ADD, pair[0], &ev) == 0 &&
	    write(pair[1], "x", 1) == 1 && epoll_wait(ep, &ev, 1, 1000) == 1;
}

bool
right_identity(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];
	uint64_t want = UINT64_C(1) << CAP_DAC_READ_SEARCH;

	if (syscall(SYS_capget, &h, d) != 0)
		return false;
	return getuid() == TEST_UID && geteuid() == TEST_UID &&
	    getgid() == TEST_UID && getegid() == TEST_UID &&
	    getgroups(0, NULL) == 0 && d[0].permitted == want &&
	    d[0].effective == want && d[1].permitted == 0 &&
	    d[0].inheritable == 0;
}

bool
right_limits(void)
{
	struct rlimit as, cpu, core, nofile, fsize;

	getrlimit(RLIMIT_AS, &as);
	getrlimit(RLIMIT_CPU, &cpu);
	getrlimit(RLIMIT_CORE, &core);
	getrlimit(RLIMIT_NOFILE, &nofile);
	getrlimit(RLIMIT_FSIZE, &fsize);
	return as.rlim_cur == 512 << 20 && cpu.rlim_cur == 7 &&
	    core.rlim_max == 0 && nofile.rlim_max == 32 && fsize.rlim_max == 0;
}
