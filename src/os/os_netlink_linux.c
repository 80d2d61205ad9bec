/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Netlink messages (netlink(7), rtnetlink(7), sock_diag(7)) taken apart:
 * every length is checked against what holds it, and nothing is read where
 * it lies, as nothing promises that it is aligned.
 */
#include "os/nets.h"

#include "base/err.h"

#include <arpa/inet.h>
#include <string.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

struct attr {
	uint16_t type;
	const uint8_t *data;
	size_t len;
};

/* 1: *ret is the next one; 0: no more; ERR_INVALID: damaged. */
static int
next_attr(const uint8_t **p, size_t *left, struct attr *ret)
{
	struct nlattr a;
	size_t step;

	if (*left < sizeof(a))
		return 0;
	memcpy(&a, *p, sizeof(a));
	if (a.nla_len < sizeof(a) || a.nla_len > *left)
		return ERR_INVALID;
	ret->type = a.nla_type & NLA_TYPE_MASK;
	ret->data = *p + sizeof(a);
	ret->len = a.nla_len - sizeof(a);
	step = NLA_ALIGN(a.nla_len);
	if (step > *left)
		step = *left;
	*p += step;
	*left -= step;
	return 1;
}

static bool
take_address(unsigned int family, const uint8_t *data, size_t len,
    uint8_t ret[static 16])
{
	if (family == AF_INET && len == 4) {
		memcpy(ret, mapped, sizeof(mapped));
		memcpy(ret + 12, data, 4);
		return true;
	}
	if (family == AF_INET6 && len == 16) {
		memcpy(ret, data, 16);
		return true;
	}
	return false;
}

static bool
take_mac(const struct attr *a, uint8_t ret[static OS_MAC_MAX], uint8_t *ret_len)
{
	if (a->len > OS_MAC_MAX)
		return false;
	memcpy(ret, a->data, a->len);
	*ret_len = (uint8_t)a->len;
	return true;
}

/* struct inet_diag_msg; what follows was not asked for. */
static int
take_socket(const uint8_t *body, size_t len, struct os_net_record *rec)
{
	struct inet_diag_msg m;
	struct os_socket *s = &rec->u.socket;
	size_t n;

	if (len < sizeof(m))
		return ERR_INVALID;
	memcpy(&m, body, sizeof(m));
	n = m.idiag_family == AF_INET ? 4 : 16;
	if (!take_address(
		m.idiag_family, (const uint8_t *)m.id.idiag_src, n, s->local) ||
	    !take_address(
		m.idiag_family, (const uint8_t *)m.id.idiag_dst, n, s->remote))
		return ERR_INVALID;
	s->v6 = m.idiag_family == AF_INET6;
	s->state = m.idiag_state;
	s->local_port = ntohs(m.id.idiag_sport);
	s->remote_port = ntohs(m.id.idiag_dport);
	s->uid = m.idiag_uid;
	s->inode = m.idiag_inode;
	return 1;
}

/* Multicast and loopback are no neighbours that anybody met. */
static int
take_neighbour(const uint8_t *body, size_t len, struct os_net_record *rec)
{
	struct os_neighbour *nb = &rec->u.neighbour;
	struct ndmsg m;
	struct attr a;
	bool addr = false;
	int rc;

	if (len < sizeof(m))
		return ERR_INVALID;
	memcpy(&m, body, sizeof(m));
	if (m.ndm_family != AF_INET && m.ndm_family != AF_INET6)
		return 0;
	if ((m.ndm_state & NUD_NOARP) != 0 || (m.ndm_flags & NTF_PROXY) != 0)
		return 0;
	nb->ifindex = (uint32_t)m.ndm_ifindex;
	body += NLMSG_ALIGN(sizeof(m));
	len -= sizeof(m);
	while ((rc = next_attr(&body, &len, &a)) == 1) {
		if (a.type == NDA_DST)
			addr =
			    take_address(m.ndm_family, a.data, a.len, nb->addr);
		else if (a.type == NDA_LLADDR &&
		    !take_mac(&a, nb->mac, &nb->mac_len))
			return ERR_INVALID;
	}
	return rc == 0 && addr ? 1 : ERR_INVALID;
}

static int
take_link(const uint8_t *body, size_t len, struct os_net_record *rec)
{
	struct os_link *l = &rec->u.link;
	struct ifinfomsg m;
	struct attr a;
	int rc;

	if (len < sizeof(m))
		return ERR_INVALID;
	memcpy(&m, body, sizeof(m));
	l->ifindex = (uint32_t)m.ifi_index;
	body += sizeof(m);
	len -= sizeof(m);
	while ((rc = next_attr(&body, &len, &a)) == 1) {
		if (a.type == IFLA_IFNAME && a.len > 0 &&
		    a.len <= OS_IFNAME_MAX && a.data[a.len - 1] == '\0')
			memcpy(l->name, a.data, a.len);
		else if (a.type == IFLA_ADDRESS &&
		    !take_mac(&a, l->mac, &l->mac_len))
			return ERR_INVALID;
	}
	return rc == 0 && l->name[0] != '\0' ? 1 : ERR_INVALID;
}

/* Of a link between two points IFA_ADDRESS is the other end's. */
static int
take_addr(const uint8_t *body, size_t len, struct os_net_record *rec)
{
	struct os_address *ad = &rec->u.address;
	struct ifaddrmsg m;
	struct attr a;
	bool local = false, any = false;
	int rc;

	if (len < sizeof(m))
		return ERR_INVALID;
	memcpy(&m, body, sizeof(m));
	if (m.ifa_family != AF_INET && m.ifa_family != AF_INET6)
		return 0;
	if (m.ifa_prefixlen > (m.ifa_family == AF_INET ? 32 : 128))
		return ERR_INVALID;
	ad->ifindex = m.ifa_index;
	ad->bits =
	    (uint8_t)(m.ifa_prefixlen + (m.ifa_family == AF_INET ? 96 : 0));
	body += sizeof(m);
	len -= sizeof(m);
	while ((rc = next_attr(&body, &len, &a)) == 1) {
		if (a.type != IFA_LOCAL && (a.type != IFA_ADDRESS || local))
			continue;
		if (!take_address(m.ifa_family, a.data, a.len, ad->addr))
			return ERR_INVALID;
		any = true;
		local = a.type == IFA_LOCAL;
	}
	return rc == 0 && any ? 1 : ERR_INVALID;
}

/* What an entry of a table is called, and how it is taken apart. */
static const struct {
	uint16_t type;
	int (*take)(const uint8_t *body, size_t len, struct os_net_record *rec);
} tables[] = {
	[OS_NET_TCP] = { SOCK_DIAG_BY_FAMILY, take_socket },
	[OS_NET_UDP] = { SOCK_DIAG_BY_FAMILY, take_socket },
	[OS_NET_NEIGHBOURS] = { RTM_NEWNEIGH, take_neighbour },
	[OS_NET_LINKS] = { RTM_NEWLINK, take_link },
	[OS_NET_ADDRESSES] = { RTM_NEWADDR, take_addr },
};

/* NLMSG_DONE and NLMSG_ERROR both begin with a negative errno or 0. */
static void
take_end(const uint8_t *body, size_t len, struct os_netlink_datagram *d)
{
	int32_t error = 0;

	if (len >= sizeof(error))
		memcpy(&error, body, sizeof(error));
	d->done = true;
	if (error < 0 && error > -4096)
		d->error = -error;
}

static int
take_entry(const uint8_t *body, size_t len, enum os_net_table table,
    os_net_on_record *cb, void *arg, struct os_netlink_datagram *d)
{
	struct os_net_record rec;
	int rc;

	memset(&rec, 0, sizeof(rec));
	rec.table = table;
	rc = tables[table].take(body, len, &rec);
	if (rc < 0)
		d->unparsed++;
	return rc == 1 && cb(&rec, arg) != 0 ? ERR_CLOSED : 0;
}

int
os_netlink_take(const void *data, size_t len, enum os_net_table table,
    os_net_on_record *cb, void *arg, struct os_netlink_datagram *d)
{
	const uint8_t *p = data, *body;
	struct nlmsghdr h;
	size_t step, n;
	int rc = 0;

	while (rc == 0 && !d->done && len >= sizeof(h)) {
		memcpy(&h, p, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > len)
			return ERR_INVALID;
		body = p + NLMSG_HDRLEN;
		n = h.nlmsg_len - NLMSG_HDRLEN;
		step = NLMSG_ALIGN(h.nlmsg_len);
		if (step > len)
			step = len;
		p += step;
		len -= step;
		if (h.nlmsg_seq != d->seq)
			continue;
		if ((h.nlmsg_flags & NLM_F_DUMP_INTR) != 0)
			d->interrupted = true;
		if (h.nlmsg_type == NLMSG_DONE || h.nlmsg_type == NLMSG_ERROR)
			take_end(body, n, d);
		else if (h.nlmsg_type == NLMSG_OVERRUN)
			d->interrupted = true;
		else if (h.nlmsg_type == tables[table].type)
			rc = take_entry(body, n, table, cb, arg, d);
		else if (h.nlmsg_type != NLMSG_NOOP)
			d->unparsed++;
	}
	return rc != 0 ? rc : d->done || len == 0 ? 0 : ERR_INVALID;
}
