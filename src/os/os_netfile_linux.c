/* SPDX-License-Identifier: MPL-2.0 */
/* Lines of /proc/PID/net (proc_pid_net(5)): the way that is left where the
 * kernel may not be asked over netlink. */
#include "os/nets.h"

#include "base/err.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_TEXT_MAX 256

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static int
nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* n digits; NULL when they are none. */
static const char *
take_hex(const char *s, size_t n, uint32_t *ret)
{
	uint32_t v = 0;
	int d;

	for (; n > 0; n--, s++) {
		d = nibble(*s);
		if (d < 0)
			return NULL;
		v = v << 4 | (uint32_t)d;
	}
	*ret = v;
	return s;
}

/* An address is printed as words of this machine's order, then its port. */
static const char *
take_endpoint(
    const char *s, bool v6, uint8_t ret[static 16], uint16_t *ret_port)
{
	size_t words = v6 ? 4 : 1, at = v6 ? 0 : 12, i;
	uint32_t w = 0;

	if (!v6)
		memcpy(ret, mapped, sizeof(mapped));
	for (i = 0; i < words; i++) {
		s = take_hex(s, 8, &w);
		if (s == NULL)
			return NULL;
		memcpy(ret + at + 4 * i, &w, 4);
	}
	if (*s++ != ':' || (s = take_hex(s, 4, &w)) == NULL)
		return NULL;
	*ret_port = (uint16_t)w;
	return s;
}

/* "  sl: local rem st tx:rx tr:when retrnsmt uid timeout inode ..." */
static int
take_socket(const char *line, bool v6, struct os_socket *s)
{
	const char *p = line + strspn(line, " ");
	uint32_t state = 0, uid = 0, inode = 0;

	if (str_starts(p, "sl "))
		return 0;
	p += strspn(p, "0123456789");
	if (*p != ':' || p[1] != ' ' ||
	    (p = take_endpoint(p + 2, v6, s->local, &s->local_port)) == NULL ||
	    *p != ' ' ||
	    (p = take_endpoint(p + 1, v6, s->remote, &s->remote_port)) ==
		NULL ||
	    *p != ' ' || (p = take_hex(p + 1, 2, &state)) == NULL ||
	    sscanf(p,
		" %*8[0-9A-Fa-f]:%*8[0-9A-Fa-f] %*[0-9A-Fa-f]:%*[0-9A-Fa-f] "
		"%*[0-9A-Fa-f] %" SCNu32 " %*d %" SCNu32,
		&uid, &inode) != 2)
		return ERR_INVALID;
	s->v6 = v6;
	s->state = (uint8_t)state;
	s->uid = uid;
	s->inode = inode;
	return 1;
}

static bool
take_ipv4(const char *text, uint8_t ret[static 16])
{
	memcpy(ret, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, ret + 12) == 1;
}

/* "aa:bb:cc:..." */
static bool
take_mac(const char *s, struct os_neighbour *nb)
{
	uint32_t byte = 0;

	nb->mac_len = 0;
	while (nb->mac_len < OS_MAC_MAX) {
		s = take_hex(s, 2, &byte);
		if (s == NULL)
			return false;
		nb->mac[nb->mac_len++] = (uint8_t)byte;
		if (*s == '\0')
			return true;
		if (*s++ != ':')
			return false;
	}
	return false;
}

/* "address type flags mac mask device"; flag 2: complete (ATF_COM). */
static int
take_arp(const char *line, struct os_neighbour *nb)
{
	char ip[64], mac[LINE_TEXT_MAX], dev[OS_IFNAME_MAX];
	unsigned int flags = 0;

	if (str_starts(line, "IP address"))
		return 0;
	if (sscanf(line, "%63s 0x%*x 0x%x %255s %*s %15s", ip, &flags, mac,
		dev) != 4 ||
	    !take_ipv4(ip, nb->addr))
		return ERR_INVALID;
	if ((flags & 2) != 0 && !take_mac(mac, nb))
		return ERR_INVALID;
	snprintf(nb->ifname, sizeof(nb->ifname), "%s", dev);
	return 1;
}

/* "address index bits scope flags device", all in hexadecimal but the last. */
static int
take_inet6(const char *line, struct os_address *a)
{
	const char *p = line;
	uint32_t w = 0, index = 0, bits = 0;
	size_t i;

	for (i = 0; i < 4; i++) {
		p = take_hex(p, 8, &w);
		if (p == NULL)
			return ERR_INVALID;
		w = htonl(w);
		memcpy(a->addr + 4 * i, &w, 4);
	}
	if (sscanf(p, " %" SCNx32 " %" SCNx32 " %*x %*x %15s", &index, &bits,
		a->ifname) != 3 ||
	    bits > 128)
		return ERR_INVALID;
	a->ifindex = index;
	a->bits = (uint8_t)bits;
	return 1;
}

/* "|-- 10.0.0.1", and after it "/32 host LOCAL" for an own address. */
static int
take_fib(const char *line, const char *prev, struct os_address *a)
{
	char ip[64];

	line += strspn(line, " ");
	prev += strspn(prev, " ");
	if (!str_starts(line, "/32 host LOCAL"))
		return 0;
	if (sscanf(prev, "|-- %63s", ip) != 1 || !take_ipv4(ip, a->addr))
		return ERR_INVALID;
	a->bits = 128; /* of its network nothing is said there */
	return 1;
}

int
os_net_line(enum os_net_file file, const char *line, const char *prev,
    struct os_net_record *rec)
{
	if (*line == '\0')
		return 0;
	memset(&rec->u, 0, sizeof(rec->u));
	switch (file) {
	case OS_NET_FILE_SOCKETS:
		return take_socket(line, false, &rec->u.socket);
	case OS_NET_FILE_SOCKETS6:
		return take_socket(line, true, &rec->u.socket);
	case OS_NET_FILE_ARP:
		return take_arp(line, &rec->u.neighbour);
	case OS_NET_FILE_INET6:
		return take_inet6(line, &rec->u.address);
	case OS_NET_FILE_FIB:
		return take_fib(line, prev, &rec->u.address);
	}
	return ERR_INVALID;
}
