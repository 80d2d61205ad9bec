/* SPDX-License-Identifier: MPL-2.0 */
/* What stands in the answer for one thing that was found. */
#ifndef MIG_MODULES_NETSTAT_ENTRY_H
#define MIG_MODULES_NETSTAT_ENTRY_H

#include "base/buf.h"
#include "os/nets.h"

struct entry {
	const struct os_net_record *rec;
	const char *space;          /* the namespace's name */
	const char *ifname;         /* or NULL */
	const struct os_nets *nets; /* who holds a socket */
};

/* Names of users by number, those that were met; from /etc/passwd alone, as
 * name services would want the network. */
#define USERS_MAX 256
struct users {
	size_t n;
	struct {
		uint32_t uid;
		char name[64]; /* the number where there is no name */
	} list[USERS_MAX];
};

/* Colons between two digits each; "" for none and for nothing but zeros. */
#define MAC_TEXT_MAX (3 * OS_MAC_MAX)
void entry_mac(const uint8_t *mac, size_t len, char out[static MAC_TEXT_MAX]);
/* Appends the JSON object, after a comma when it is not the first. */
void entry_add(struct buf *out, const struct entry *en, struct users *users);

#endif
