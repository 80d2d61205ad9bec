/* SPDX-License-Identifier: MPL-2.0 */
/* Answers of the kernel about sockets, neighbours, interfaces and addresses,
 * as datagrams and as lines of files. The first byte chooses: what comes out
 * is within its bounds, whatever went in. */
#include "base/err.h"
#include "os/nets.h"

#include <stdlib.h>
#include <string.h>

#define TABLES 5
#define FILES 5
#define SEQ 7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct os_net_record *rec)
{
	const char *name = NULL;

	switch (rec->table) {
	case OS_NET_TCP:
	case OS_NET_UDP:
		return;
	case OS_NET_NEIGHBOURS:
		name = rec->u.neighbour.ifname;
		if (rec->u.neighbour.mac_len > OS_MAC_MAX)
			abort();
		break;
	case OS_NET_LINKS:
		name = rec->u.link.name;
		if (rec->u.link.mac_len > OS_MAC_MAX)
			abort();
		break;
	case OS_NET_ADDRESSES:
		name = rec->u.address.ifname;
		if (rec->u.address.bits > 128)
			abort();
		break;
	}
	if (memchr(name, '\0', OS_IFNAME_MAX) == NULL)
		abort();
}

static int
on_record(const struct os_net_record *rec, void *arg)
{
	size_t *left = arg;

	check(rec);
	return (*left)-- == 0;
}

/* Where it lies decides nothing: messages are not aligned. */
static void
take_datagram(const uint8_t *data, size_t size, enum os_net_table table)
{
	struct os_netlink_datagram d = { .seq = SEQ };
	size_t left = 100;

	if (os_netlink_take(data, size, table, on_record, &left, &d) == 0 &&
	    d.error < 0)
		abort();
}

static void
take_lines(const uint8_t *data, size_t size, enum os_net_file file)
{
	static const enum os_net_table tables[FILES] = { OS_NET_TCP, OS_NET_TCP,
		OS_NET_NEIGHBOURS, OS_NET_ADDRESSES, OS_NET_ADDRESSES };
	struct os_net_record rec = { .table = tables[file] };
	char *text = malloc(size + 1), *line, *save = NULL;
	const char *prev = "";

	memcpy(text, data, size);
	text[size] = '\0';
	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		if (os_net_line(file, line, prev, &rec) == 1)
			check(&rec);
		prev = line;
	}
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact;

	if (size == 0)
		return 0;
	/* its own piece of memory: what is read beyond is noticed */
	exact = malloc(size);
	memcpy(exact, data + 1, size - 1);
	if (data[0] % 2 == 0)
		take_datagram(
		    exact, size - 1, (enum os_net_table)(data[0] / 2 % TABLES));
	else
		take_lines(
		    exact, size - 1, (enum os_net_file)(data[0] / 2 % FILES));
	free(exact);
	return 0;
}
