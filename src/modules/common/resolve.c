/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/common/resolve.h"

#include "base/err.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* resolv.conf(5): of each name server, and once; the defaults are 5 s, twice */
#define RESOLVER_OPTIONS "timeout:2 attempts:1"

void
resolve_init(void)
{
	(void)setenv("RES_OPTIONS", RESOLVER_OPTIONS, 1);
}

static const void *
address_of(const struct netaddr *a)
{
	return a->u.sa.sa_family == AF_INET ? (const void *)&a->u.v4.sin_addr
					    : (const void *)&a->u.v6.sin6_addr;
}

static void
set_text(struct netaddr *a)
{
	char text[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(a->u.sa.sa_family, address_of(a), text, sizeof(text));
	if (a->u.sa.sa_family == AF_INET6 && a->u.v6.sin6_scope_id != 0)
		snprintf(a->text, sizeof(a->text), "%s%%%u", text,
		    (unsigned)a->u.v6.sin6_scope_id);
	else
		snprintf(a->text, sizeof(a->text), "%s", text);
}

/* By a socket of our own family: the library's way is by a local one. */
static int
zone_index(const char *zone, uint32_t *ret, struct err *e)
{
	struct ifreq req;
	uint64_t n;
	int fd, rc;

	if (str_u64(zone, 1, UINT32_MAX, &n) == 0) {
		*ret = (uint32_t)n;
		return 0;
	}
	memset(&req, 0, sizeof(req));
	(void)str_copy(req.ifr_name, sizeof(req.ifr_name), zone);
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(e, "a socket");
	rc = ioctl(fd, SIOCGIFINDEX, &req);
	close(fd);
	if (rc != 0)
		return err_set(
		    e, ERR_NOTFOUND, "there is no interface '%s' here", zone);
	*ret = (uint32_t)req.ifr_ifindex;
	return 0;
}

static int
take_address(const struct host *h, struct netaddr *ret, struct err *e)
{
	const char *zone = strchr(h->name, '%');
	char text[INET6_ADDRSTRLEN];
	size_t len = zone != NULL ? (size_t)(zone - h->name) : strlen(h->name);

	memset(ret, 0, sizeof(*ret));
	BUG_ON(len >= sizeof(text));
	memcpy(text, h->name, len);
	text[len] = '\0';
	if (inet_pton(AF_INET, text, &ret->u.v4.sin_addr) == 1) {
		ret->u.v4.sin_family = AF_INET;
		ret->len = sizeof(ret->u.v4);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &ret->u.v6.sin6_addr) != 1)
		return err_set(e, ERR_INVALID, "not an address");
	ret->u.v6.sin6_family = AF_INET6;
	ret->len = sizeof(ret->u.v6);
	return zone != NULL ? zone_index(zone + 1, &ret->u.v6.sin6_scope_id, e)
			    : 0;
}

static int
lookup_error(int rc, int saved, struct err *e)
{
	switch (rc) {
	case EAI_NONAME:
	case EAI_NODATA:
		return err_set(e, ERR_NOTFOUND,
		    "there is no such name, or none with an address of this "
		    "kind");
	case EAI_ADDRFAMILY:
		return err_set(
		    e, ERR_NOTFOUND, "the name has no address of this kind");
	case EAI_AGAIN:
		return err_set(e, ERR_TIMEOUT,
		    "no name server of this host answers for it");
	case EAI_MEMORY:
		return err_set(e, ERR_NOMEM, "out of memory");
	case EAI_SYSTEM:
		return err_set(e, ERR_IO, "the name cannot be looked up: %s",
		    strerror(saved));
	default:
		return err_set(e, ERR_IO, "the name cannot be looked up: %s",
		    gai_strerror(rc));
	}
}

static void
add(struct netaddrs *l, const struct addrinfo *ai)
{
	struct netaddr *a = &l->list[l->n];

	if (l->n == RESOLVE_MAX || ai->ai_addrlen > sizeof(a->u) ||
	    (ai->ai_family != AF_INET && ai->ai_family != AF_INET6))
		return;
	memset(a, 0, sizeof(*a));
	memcpy(&a->u, ai->ai_addr, ai->ai_addrlen);
	a->len = ai->ai_addrlen;
	l->n++;
}

static int
look_up(const struct host *h, int family, struct netaddrs *ret, struct err *e)
{
	const struct addrinfo hints = { .ai_family = family,
		.ai_socktype = SOCK_DGRAM };
	struct addrinfo *list = NULL, *ai;
	int rc;

	rc = getaddrinfo(h->name, NULL, &hints, &list);
	if (rc != 0)
		return lookup_error(rc, errno, e);
	for (ai = list; ai != NULL; ai = ai->ai_next)
		add(ret, ai);
	freeaddrinfo(list);
	return ret->n > 0
	    ? 0
	    : err_set(e, ERR_NOTFOUND, "the name has no address of this kind");
}

int
resolve_host(const struct host *h, int family, uint16_t port,
    struct netaddrs *ret, struct err *e)
{
	struct netaddrs l = { .n = 0 };
	const char *why;
	size_t i, k = 0;
	int rc;

	if (h->address) {
		rc = take_address(h, &l.list[0], e);
		l.n = 1;
		if (rc == 0 && family != AF_UNSPEC &&
		    family != l.list[0].u.sa.sa_family)
			rc = err_set(e, ERR_NOTFOUND,
			    "the address is of the other kind");
	} else {
		rc = look_up(h, family, &l, e);
	}
	if (rc != 0)
		return rc;
	for (i = 0; i < l.n; i++) {
		set_text(&l.list[i]);
		why = host_no_host(
		    l.list[i].u.sa.sa_family, address_of(&l.list[i]));
		if (why != NULL) {
			rc = err_set(e, ERR_INVALID,
			    "%s is %s: expected one host's", l.list[i].text,
			    why);
			continue;
		}
		/* at the same place in both families */
		l.list[i].u.v4.sin_port = htons(port);
		l.list[k++] = l.list[i];
	}
	if (k == 0)
		return rc;
	l.n = k;
	*ret = l;
	return 0;
}
