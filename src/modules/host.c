/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/host.h"

#include "base/err.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define ALNUM                        \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"abcdefghijklmnopqrstuvwxyz0123456789"
#define LABEL_MAX 63
#define ZONE_MAX 15 /* an interface's name, or its number */

static bool
is_label(const char *s, size_t len)
{
	return len > 0 && len <= LABEL_MAX && strspn(s, ALNUM "-_") >= len &&
	    s[0] != '-' && s[len - 1] != '-';
}

/* The last label of a name is never a number: else 127.1 or 0x7f.1 would be
 * names that the resolver takes for addresses. */
static bool
is_number(const char *s, size_t len)
{
	size_t digits = strspn(s, "0123456789");

	return digits >= len ||
	    (len > 1 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'));
}

static bool
is_name(const char *s)
{
	size_t len = strlen(s), n;
	const char *label = s;

	if (len > 0 && s[len - 1] == '.')
		len--;
	if (len == 0 || len > 253)
		return false;
	for (;; label += n + 1) {
		n = strcspn(label, ".");
		if (label + n > s + len)
			n = (size_t)(s + len - label);
		if (!is_label(label, n))
			return false;
		if (label + n == s + len)
			return !is_number(label, n);
	}
}

const char *
host_no_host(int family, const void *addr)
{
	struct in6_addr v6;
	uint32_t v4;

	if (family == AF_INET) {
		memcpy(&v4, addr, sizeof(v4));
	} else {
		memcpy(&v6, addr, sizeof(v6));
		if (!IN6_IS_ADDR_V4MAPPED(&v6)) {
			if (IN6_IS_ADDR_UNSPECIFIED(&v6))
				return "the address of nobody";
			return IN6_IS_ADDR_MULTICAST(&v6) ? "a group's address"
							  : NULL;
		}
		memcpy(&v4, v6.s6_addr + 12, sizeof(v4));
	}
	v4 = ntohl(v4);
	if (v4 >> 24 == 0)
		return "the address of nobody";
	if (v4 == INADDR_BROADCAST)
		return "everybody's address";
	return IN_MULTICAST(v4) ? "a group's address" : NULL;
}

/* *ret_why: why it is not one host's, or NULL. *ret_no_link: it is one of those
 * that every link has, and no link is named. */
static bool
is_address(const char *s, const char **ret_why, bool *ret_no_link)
{
	const char *zone = strchr(s, '%');
	size_t len = zone != NULL ? (size_t)(zone - s) : strlen(s);
	char text[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	struct in_addr v4;

	if (len >= sizeof(text))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	if (zone == NULL && inet_pton(AF_INET, text, &v4) == 1) {
		*ret_why = host_no_host(AF_INET, &v4);
		return true;
	}
	if (inet_pton(AF_INET6, text, &v6) != 1)
		return false;
	*ret_why = host_no_host(AF_INET6, &v6);
	*ret_no_link = zone == NULL && IN6_IS_ADDR_LINKLOCAL(&v6);
	if (zone == NULL)
		return true;
	len = strlen(zone + 1);
	return len > 0 && len <= ZONE_MAX &&
	    strspn(zone + 1, ALNUM "-_.") == len && IN6_IS_ADDR_LINKLOCAL(&v6);
}

static int
bad_host(const char *text, struct err *e)
{
	return err_set(e, ERR_INVALID,
	    "'%.128s' is neither an address nor a name of a host: expected "
	    "such as 192.0.2.7, 2001:db8::7 or web1.example.net",
	    text);
}

int
host_parse_only(const char *text, struct host *ret, struct err *e)
{
	struct host h = { .port = 0 };
	const char *why = NULL;
	bool no_link = false;

	if (!str_copy(h.name, sizeof(h.name), text))
		return bad_host(text, e);
	h.address = is_address(h.name, &why, &no_link);
	if (!h.address && !is_name(h.name))
		return bad_host(text, e);
	if (no_link)
		return err_set(e, ERR_INVALID,
		    "'%s' is on every link: expected its interface as well, "
		    "as %s%%eth0",
		    h.name, h.name);
	if (why != NULL)
		return err_set(e, ERR_INVALID,
		    "'%s' is %s: expected one host's", h.name, why);
	*ret = h;
	return 0;
}

/* Where the port of "[...]:N" or "...:N" begins; NULL: there is none. */
static const char *
port_of(const char *text)
{
	const char *colon = strrchr(text, ':');

	if (text[0] == '[')
		return colon != NULL && colon > text && colon[-1] == ']'
		    ? colon + 1
		    : NULL;
	return colon != NULL && strchr(text, ':') == colon ? colon + 1 : NULL;
}

int
host_parse(const char *text, struct host *ret, struct err *e)
{
	const char *port = port_of(text), *begin = text;
	size_t len = port != NULL ? (size_t)(port - 1 - text) : strlen(text);
	char name[HOST_NAME_SIZE];
	uint64_t n = 0;
	bool bracket = text[0] == '[';
	int rc;

	if (port != NULL && str_u64(port, 1, UINT16_MAX, &n) != 0)
		return err_set(e, ERR_INVALID,
		    "'%.128s': expected a port from 1 to 65535 behind the "
		    "last colon",
		    text);
	if (bracket && len >= 2 && text[len - 1] == ']') {
		begin++;
		len -= 2;
	}
	if (len >= sizeof(name))
		return bad_host(text, e);
	memcpy(name, begin, len);
	name[len] = '\0';
	if (bracket ? strchr(name, ':') == NULL : *name == '\0')
		return bad_host(text, e);
	rc = host_parse_only(name, ret, e);
	if (rc != 0)
		return rc;
	ret->port = (uint16_t)n;
	return 0;
}

void
host_text(const struct host *h, char out[static HOST_TEXT_SIZE])
{
	bool brackets = h->port != 0 && strchr(h->name, ':') != NULL;
	char port[16] = "";

	if (h->port != 0)
		snprintf(port, sizeof(port), ":%u", (unsigned int)h->port);
	snprintf(out, HOST_TEXT_SIZE, "%s%s%s%s", brackets ? "[" : "", h->name,
	    brackets ? "]" : "", port);
}
