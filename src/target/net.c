/* SPDX-License-Identifier: MPL-2.0 */
/* Parsing and comparing addresses. */
#include "target/net.h"

#include "base/err.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <string.h>

#define NET_TEXT_MAX 80

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* ret_max: bits of the family; 128 also for what came as IPv6 text. */
static int
parse_bare(const char *s, uint8_t ret[static 16], unsigned int *ret_max)
{
	uint8_t a[16];

	if (inet_pton(AF_INET, s, a) == 1) {
		memcpy(ret, mapped, sizeof(mapped));
		memcpy(ret + 12, a, 4);
		*ret_max = 32;
		return 0;
	}
	if (inet_pton(AF_INET6, s, a) == 1) {
		memcpy(ret, a, 16);
		*ret_max = 128;
		return 0;
	}
	return ERR_INVALID;
}

/* Splits "address/bits"; *ret_bits is max without a slash. */
static int
parse_prefix(
    const char *s, uint8_t ret[static 16], unsigned int *ret_bits, bool zone)
{
	char text[NET_TEXT_MAX], *slash, *percent;
	unsigned int max;
	uint64_t bits;

	if (!str_copy(text, sizeof(text), s))
		return ERR_INVALID;
	slash = strchr(text, '/');
	if (slash != NULL)
		*slash++ = '\0';
	percent = strchr(text, '%');
	if (percent != NULL && zone && percent[1] != '\0')
		*percent = '\0';
	if (parse_bare(text, ret, &max) != 0)
		return ERR_INVALID;
	bits = max;
	if (slash != NULL && str_u64(slash, 0, max, &bits) != 0)
		return ERR_INVALID;
	*ret_bits = (unsigned int)bits + (128 - max);
	return 0;
}

int
net_parse(const char *s, struct net *ret)
{
	struct net n;
	unsigned int i;

	if (parse_prefix(s, n.addr, &n.bits, false) != 0)
		return ERR_INVALID;
	for (i = n.bits; i < 128; i++) {
		if ((n.addr[i / 8] & (0x80u >> (i % 8))) != 0)
			return ERR_INVALID;
	}
	*ret = n;
	return 0;
}

int
net_parse_address(const char *s, uint8_t ret[static 16])
{
	unsigned int bits;

	return parse_prefix(s, ret, &bits, true);
}

bool
net_has(const struct net *n, const uint8_t addr[static 16])
{
	unsigned int whole = n->bits / 8, rest = n->bits % 8;
	uint8_t mask;

	if (memcmp(n->addr, addr, whole) != 0)
		return false;
	if (rest == 0)
		return true;
	mask = (uint8_t)(0xff00u >> rest);
	return ((n->addr[whole] ^ addr[whole]) & mask) == 0;
}
