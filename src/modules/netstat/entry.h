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

/* Names of users by number; from /etc/passwd alone, as name services would want
 * the network. Zero it before: it is read once, when the first is asked for. */
struct users {
	const char *file; /* NULL: /etc/passwd */
	bool read;
	struct user {
		uint32_t uid, name; /* where that begins in names */
	} * list;                   /* owned; by number */
	size_t n, cap;
	struct buf names;
	char number[16]; /* of one who has no name */
};

/* The number where there is no name. Until the next call. */
const char *users_name(struct users *users, uint32_t uid);
void users_release(struct users *users);

/* Colons between two digits each; "" for none and for nothing but zeros. */
#define MAC_TEXT_MAX (3 * OS_MAC_MAX)
void entry_mac(const uint8_t *mac, size_t len, char out[static MAC_TEXT_MAX]);
/* Appends the JSON object; comma: another stands before it. */
void entry_add(
    struct buf *out, bool comma, const struct entry *en, struct users *users);

/* What an entry is made of in a few bytes, those that differ most among its
 * neighbours at the end (common/rows.h). space: which of the networks. ifname
 * may be NULL. Returns how many. */
#define ENTRY_PACKED_MAX (4 + OS_IFNAME_MAX + OS_MAC_MAX + 16)
size_t entry_pack(const struct os_net_record *rec, uint16_t space,
    const char *ifname, uint8_t out[static ENTRY_PACKED_MAX]);
void entry_unpack(const void *packed, size_t len, struct os_net_record *ret_rec,
    uint16_t *ret_space, char ret_ifname[static OS_IFNAME_MAX]);

#endif
