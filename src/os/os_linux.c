/* SPDX-License-Identifier: MPL-2.0 */
/* Facts about a Linux host, from its own kernel and configuration only. */
#include "os/os.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SMALL_FILE_MAX 65536

static void
set_arch(struct os_host *h, const char *machine)
{
	static const struct {
		const char *kernel, *debian;
	} words[] = {
		{ "x86_64", "amd64" },
		{ "aarch64", "arm64" },
		{ "armv7l", "armhf" },
		{ "armv6l", "armel" },
		{ "i686", "i386" },
		{ "i586", "i386" },
		{ "ppc64le", "ppc64el" },
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(machine, words[i].kernel) == 0)
			machine = words[i].debian;
	}
	str_copy(h->arch, sizeof(h->arch), machine);
}

/* The value of KEY=value in os-release(5): bare or quoted as in a shell. */
static void
release_value(const char *text, const char *key, char *out, size_t size)
{
	size_t klen = strlen(key), n = 0;
	const char *p = text;
	char quote = '\0';

	while (p != NULL && (strncmp(p, key, klen) != 0 || p[klen] != '=')) {
		p = strchr(p, '\n');
		if (p != NULL)
			p++;
	}
	if (p == NULL)
		return;
	p += klen + 1;
	if (*p == '"' || *p == '\'')
		quote = *p++;
	for (; *p != '\0' && *p != '\n' && *p != quote && n + 1 < size; p++) {
		if (quote == '\0' && (*p == ' ' || *p == '\t'))
			break;
		if (*p == '\\' && quote == '"' && p[1] != '\0')
			p++;
		out[n++] = *p;
	}
	out[n] = '\0';
}

static void
set_release(struct os_host *h)
{
	const char *s;
	struct buf text;

	buf_init(&text, SMALL_FILE_MAX);
	if (file_read("/etc/os-release", &text, NULL) != 0) {
		buf_clear(&text);
		if (file_read("/usr/lib/os-release", &text, NULL) != 0)
			buf_clear(&text);
	}
	s = buf_str(&text);
	if (s != NULL) {
		release_value(s, "PRETTY_NAME", h->ident, sizeof(h->ident));
		release_value(s, "ID", h->distro, sizeof(h->distro));
		release_value(s, "VERSION_ID", h->distro_version,
		    sizeof(h->distro_version));
	}
	buf_release(&text);
}

/* A file of a few bytes, one line of it; false when there is none. */
static bool
first_line(const char *path, char *out, size_t size)
{
	struct buf text;
	const char *s;
	bool ok;

	buf_init(&text, SMALL_FILE_MAX);
	ok = file_read(path, &text, NULL) == 0 && (s = buf_str(&text)) != NULL;
	if (ok) {
		str_copy(out, size, s);
		out[strcspn(out, "\n")] = '\0';
	}
	buf_release(&text);
	return ok;
}

static void
set_init(struct os_host *h)
{
	char comm[32], exe[256];
	const char *slash;
	ssize_t n;

	if (!first_line("/proc/1/comm", comm, sizeof(comm)))
		str_copy(comm, sizeof(comm), "unknown");
	if (strcmp(comm, "init") != 0) {
		str_copy(h->init, sizeof(h->init), comm);
		return;
	}
	/* several systems call their PID 1 so */
	n = readlink("/proc/1/exe", exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	slash = strrchr(exe, '/');
	if (access("/run/systemd/system", F_OK) == 0)
		str_copy(h->init, sizeof(h->init), "systemd");
	else if (access("/run/openrc", F_OK) == 0)
		str_copy(h->init, sizeof(h->init), "openrc");
	else if (slash != NULL && strcmp(slash + 1, "init") != 0)
		str_copy(h->init, sizeof(h->init), slash + 1);
	else
		str_copy(h->init, sizeof(h->init), "sysvinit");
}

/* True when the file can be read and one of the words stands in it. */
static bool
file_has(const char *path, const char *const *words, size_t n)
{
	struct buf text;
	bool found = false;
	size_t i;

	buf_init(&text, SMALL_FILE_MAX);
	if (file_read(path, &text, NULL) == 0) {
		for (i = 0; i < n && !found; i++)
			found = memmem(text.data, text.len, words[i],
				    strlen(words[i])) != NULL;
	}
	buf_release(&text);
	return found;
}

/* Signs that container managers leave; none of them is a promise. */
static bool
in_container(void)
{
	static const char *const marks[] = { "/.dockerenv",
		"/run/.containerenv", "/run/systemd/container" };
	static const char *const env[] = { "container=" };
	static const char *const groups[] = { "/docker", "/lxc", "/kubepods",
		"containerd", "libpod", "machine.slice/machine-" };
	size_t i;

	for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (access(marks[i], F_OK) == 0)
			return true;
	}
	return file_has("/proc/1/environ", env, 1) ||
	    file_has(
		"/proc/1/cgroup", groups, sizeof(groups) / sizeof(groups[0]));
}

static unsigned
mask_bits(const uint8_t *mask, size_t len)
{
	unsigned bits = 0;
	size_t i;

	for (i = 0; i < len; i++)
		bits += (unsigned)__builtin_popcount(mask[i]);
	return bits;
}

/* "ADDRESS/BITS"; false for what is not wanted. */
static bool
format_address(const struct ifaddrs *a, char *out, size_t size)
{
	struct sockaddr_in6 six, mask6;
	struct sockaddr_in four, mask4;
	char text[INET6_ADDRSTRLEN];
	unsigned bits = 0;

	if (a->ifa_addr == NULL || (a->ifa_flags & IFF_LOOPBACK) != 0)
		return false;
	if (a->ifa_addr->sa_family == AF_INET) {
		memcpy(&four, a->ifa_addr, sizeof(four));
		if (ntohl(four.sin_addr.s_addr) >> 16 == 0xa9fe)
			return false; /* 169.254/16 */
		inet_ntop(AF_INET, &four.sin_addr, text, sizeof(text));
		if (a->ifa_netmask != NULL) {
			memcpy(&mask4, a->ifa_netmask, sizeof(mask4));
			bits = mask_bits((const uint8_t *)&mask4.sin_addr, 4);
		}
	} else if (a->ifa_addr->sa_family == AF_INET6) {
		memcpy(&six, a->ifa_addr, sizeof(six));
		if (IN6_IS_ADDR_LINKLOCAL(&six.sin6_addr))
			return false;
		inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof(text));
		if (a->ifa_netmask != NULL) {
			memcpy(&mask6, a->ifa_netmask, sizeof(mask6));
			bits = mask_bits((const uint8_t *)&mask6.sin6_addr, 16);
		}
	} else {
		return false;
	}
	snprintf(out, size, "%s/%u", text, bits);
	return true;
}

static int
compare_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Sorted, so that the same addresses always make the same text. */
static int
set_addresses(struct os_host *h, struct err *e)
{
	struct ifaddrs *all, *a;
	char *next;

	if (getifaddrs(&all) != 0)
		return err_errno(e, "reading network addresses");
	for (a = all; a != NULL && h->naddresses < OS_ADDRESSES_MAX;
	     a = a->ifa_next) {
		next = h->addresses[h->naddresses];
		if (format_address(a, next, sizeof(h->addresses[0])))
			h->naddresses++;
	}
	freeifaddrs(all);
	qsort(
	    h->addresses, h->naddresses, sizeof(h->addresses[0]), compare_text);
	return 0;
}

int
os_host_read(struct os_host *h, struct err *e)
{
	struct os_host out;
	struct utsname u;
	int rc;

	memset(&out, 0, sizeof(out));
	if (uname(&u) != 0)
		return err_errno(e, "uname");
	str_copy(out.name, sizeof(out.name), u.nodename);
	str_copy(out.os, sizeof(out.os), "linux");
	set_arch(&out, u.machine);
	str_copy(out.kernel, sizeof(out.kernel), u.release);
	set_release(&out);
	if (out.ident[0] == '\0')
		snprintf(out.ident, sizeof(out.ident), "%.40s %.80s", u.sysname,
		    u.release);
	set_init(&out);
	out.container = in_container();
	rc = set_addresses(&out, e);
	if (rc == 0)
		*h = out;
	return rc;
}
