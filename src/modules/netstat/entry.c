/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/netstat/entry.h"

#include "base/err.h"
#include "base/jsonw.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX (16 * 1024 * 1024) /* bytes */

void
entry_mac(const uint8_t *mac, size_t len, char out[static MAC_TEXT_MAX])
{
	static const char digits[] = "0123456789abcdef";
	bool any = false;
	char *p = out;
	size_t i;

	for (i = 0; i < len && i < OS_MAC_MAX; i++) {
		any = any || mac[i] != 0;
		if (i > 0)
			*p++ = ':';
		*p++ = digits[mac[i] >> 4];
		*p++ = digits[mac[i] & 15];
	}
	*(any ? p : out) = '\0';
}

/* Addresses of IPv4 as such, whichever socket they were met on. */
static void
add_address(struct jsonw *w, const char *key, const uint8_t addr[static 16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };
	char text[INET6_ADDRSTRLEN] = "";

	if (memcmp(addr, mapped, sizeof(mapped)) == 0)
		inet_ntop(AF_INET, addr + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, addr, text, sizeof(text));
	jsonw_str(w, key, text);
}

/* --- users ----------------------------------------------------------------
 */

/* False: there is no room. */
static bool
add_user(struct users *users, uint32_t uid, const char *name)
{
	size_t cap = users->cap == 0 ? 64 : users->cap * 2;
	struct user *p;

	if (users->n == users->cap) {
		p = reallocarray(users->list, cap, sizeof(*p));
		if (p == NULL)
			return false;
		users->list = p;
		users->cap = cap;
	}
	p = &users->list[users->n];
	p->uid = uid;
	p->name = (uint32_t)users->names.len;
	if (buf_add(&users->names, name, strlen(name) + 1) != 0)
		return false;
	users->n++;
	return true;
}

/* Of several names of a number the first is meant. */
static int
by_uid(const void *a, const void *b)
{
	const struct user *x = a, *y = b;

	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

/* Those for which there is no room have numbers. */
static void
read_users(struct users *users)
{
	const struct passwd *pw;
	FILE *f =
	    fopen(users->file != NULL ? users->file : "/etc/passwd", "re");

	users->read = true;
	buf_init(&users->names, NAMES_MAX);
	if (f == NULL)
		return;
	while ((pw = fgetpwent(f)) != NULL &&
	    add_user(users, (uint32_t)pw->pw_uid, pw->pw_name))
		;
	fclose(f);
	if (users->n > 0)
		qsort(users->list, users->n, sizeof(*users->list), by_uid);
}

const char *
users_name(struct users *users, uint32_t uid)
{
	size_t low = 0, high, middle;

	if (!users->read)
		read_users(users);
	for (high = users->n; low < high;) {
		middle = (low + high) / 2;
		if (users->list[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < users->n && users->list[low].uid == uid)
		return (const char *)users->names.data + users->list[low].name;
	snprintf(users->number, sizeof(users->number), "%" PRIu32, uid);
	return users->number;
}

void
users_release(struct users *users)
{
	free(users->list);
	if (users->read)
		buf_release(&users->names);
	memset(users, 0, sizeof(*users));
}

/* --- an entry --------------------------------------------------------------
 */

/* A socket that nobody holds any more has no user either. */
static void
add_holder(struct jsonw *w, const struct entry *en, const struct os_socket *s,
    struct users *users)
{
	const struct os_holder *h;
	size_t more = 0;

	if (s->inode == 0)
		return;
	h = os_nets_holder(en->nets, s->inode, &more);
	if (h != NULL) {
		jsonw_i64(w, "pid", h->pid);
		jsonw_str(w, "process", h->comm);
		if (h->exe != NULL)
			jsonw_str(w, "executable", h->exe);
		if (more > 0)
			jsonw_u64(w, "sharedby", more);
	}
	jsonw_u64(w, "uid", s->uid);
	jsonw_str(w, "user", users_name(users, s->uid));
}

static void
add_socket(struct jsonw *w, const struct entry *en, struct users *users)
{
	const struct os_socket *s = &en->rec->u.socket;
	bool udp = en->rec->table == OS_NET_UDP;
	bool waits = s->state == OS_LISTEN || s->state == OS_CLOSED;

	add_address(w, "localaddr", s->local);
	jsonw_u64(w, "localport", s->local_port);
	if (!waits) {
		add_address(w, "remoteaddr", s->remote);
		jsonw_u64(w, "remoteport", s->remote_port);
	}
	jsonw_str(w, "namespace", en->space);
	jsonw_str(w, "protocol",
	    udp ? (s->v6 ? "udp6" : "udp") : (s->v6 ? "tcp6" : "tcp"));
	/* UDP has none but these two */
	jsonw_str(w, "state",
	    !udp ? os_socket_state_text(s->state)
		 : (waits ? "unconnected" : "connected"));
	add_holder(w, en, s, users);
}

static void
add_rest(struct jsonw *w, const struct entry *en)
{
	const struct os_net_record *rec = en->rec;
	char mac[MAC_TEXT_MAX] = "";

	if (rec->table == OS_NET_LINKS) {
		entry_mac(rec->u.link.mac, rec->u.link.mac_len, mac);
		jsonw_str(w, "localmacaddr", mac);
	} else if (rec->table == OS_NET_NEIGHBOURS) {
		entry_mac(rec->u.neighbour.mac, rec->u.neighbour.mac_len, mac);
		jsonw_str(w, "remotemacaddr", mac);
		add_address(w, "remoteaddr", rec->u.neighbour.addr);
	} else {
		add_address(w, "localaddr", rec->u.address.addr);
	}
	jsonw_str(w, "namespace", en->space);
	if (en->ifname != NULL && *en->ifname != '\0')
		jsonw_str(w, "interface", en->ifname);
}

void
entry_add(
    struct buf *out, bool comma, const struct entry *en, struct users *users)
{
	struct jsonw w;

	jsonw_init(&w, out);
	w.comma = comma;
	jsonw_object(&w, NULL);
	if (en->rec->table == OS_NET_TCP || en->rec->table == OS_NET_UDP)
		add_socket(&w, en, users);
	else
		add_rest(&w, en);
	jsonw_object_end(&w);
}

/* --- packed ----------------------------------------------------------------*/

/*
 *   table 8 bits, network 16; then of
 *   a socket      family and state 8, uid 32, local and remote address 128
 * each, remote port 16, local port 16, inode 32 others        name of the
 * interface and MAC address, each after its length in 8 bits; address 128
 */
#define FAMILY_V6 0x80u

static uint8_t *
put_number(uint8_t *p, uint32_t v, size_t bytes)
{
	while (bytes-- > 0)
		*p++ = (uint8_t)(v >> 8 * bytes);
	return p;
}

static uint8_t *
put_bytes(uint8_t *p, const void *data, size_t len)
{
	memcpy(p, data, len);
	return p + len;
}

static uint8_t *
put_short(uint8_t *p, const void *data, size_t len)
{
	*p++ = (uint8_t)len;
	return put_bytes(p, data, len);
}

static uint8_t *
put_socket(uint8_t *p, const struct os_socket *s)
{
	*p++ = (uint8_t)(s->state | (s->v6 ? FAMILY_V6 : 0));
	p = put_number(p, s->uid, 4);
	p = put_bytes(p, s->local, sizeof(s->local));
	p = put_bytes(p, s->remote, sizeof(s->remote));
	p = put_number(p, s->remote_port, 2);
	p = put_number(p, s->local_port, 2);
	return put_number(p, s->inode, 4);
}

size_t
entry_pack(const struct os_net_record *rec, uint16_t space, const char *ifname,
    uint8_t out[static ENTRY_PACKED_MAX])
{
	uint8_t *p = out;

	*p++ = (uint8_t)rec->table;
	p = put_number(p, space, 2);
	if (rec->table == OS_NET_TCP || rec->table == OS_NET_UDP)
		return (size_t)(put_socket(p, &rec->u.socket) - out);
	p = put_short(p, ifname != NULL ? ifname : "",
	    ifname != NULL ? strnlen(ifname, OS_IFNAME_MAX - 1) : 0);
	if (rec->table == OS_NET_LINKS) {
		p = put_short(p, rec->u.link.mac, rec->u.link.mac_len);
	} else if (rec->table == OS_NET_NEIGHBOURS) {
		p = put_short(
		    p, rec->u.neighbour.mac, rec->u.neighbour.mac_len);
		p = put_bytes(p, rec->u.neighbour.addr, 16);
	} else {
		p = put_bytes(p, rec->u.address.addr, 16);
	}
	return (size_t)(p - out);
}

static void
take_bytes(struct rd *r, void *ret, size_t len, size_t most)
{
	const uint8_t *p = rd_bytes(r, len);

	BUG_ON(p == NULL || len > most);
	memcpy(ret, p, len);
}

static void
take_socket(struct rd *r, struct os_socket *ret)
{
	uint8_t state = rd_u8(r);

	ret->v6 = (state & FAMILY_V6) != 0;
	ret->state = state & (uint8_t)~FAMILY_V6;
	ret->uid = rd_u32(r);
	take_bytes(r, ret->local, 16, 16);
	take_bytes(r, ret->remote, 16, 16);
	ret->remote_port = rd_u16(r);
	ret->local_port = rd_u16(r);
	ret->inode = rd_u32(r);
}

void
entry_unpack(const void *packed, size_t len, struct os_net_record *ret_rec,
    uint16_t *ret_space, char ret_ifname[static OS_IFNAME_MAX])
{
	struct os_net_record *rec = ret_rec;
	struct rd r;

	memset(rec, 0, sizeof(*rec));
	memset(ret_ifname, 0, OS_IFNAME_MAX);
	rd_init(&r, packed, len);
	rec->table = rd_u8(&r);
	*ret_space = rd_u16(&r);
	if (rec->table == OS_NET_TCP || rec->table == OS_NET_UDP) {
		take_socket(&r, &rec->u.socket);
		return;
	}
	take_bytes(&r, ret_ifname, rd_u8(&r), OS_IFNAME_MAX - 1);
	if (rec->table == OS_NET_LINKS) {
		rec->u.link.mac_len = rd_u8(&r);
		take_bytes(
		    &r, rec->u.link.mac, rec->u.link.mac_len, OS_MAC_MAX);
	} else if (rec->table == OS_NET_NEIGHBOURS) {
		rec->u.neighbour.mac_len = rd_u8(&r);
		take_bytes(&r, rec->u.neighbour.mac, rec->u.neighbour.mac_len,
		    OS_MAC_MAX);
		take_bytes(&r, rec->u.neighbour.addr, 16, 16);
	} else {
		take_bytes(&r, rec->u.address.addr, 16, 16);
	}
}
