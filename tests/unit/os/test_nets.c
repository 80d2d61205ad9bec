/* SPDX-License-Identifier: MPL-2.0 */
/* Netlink messages and lines of /proc/net taken apart, whole and damaged; and
 * this host's own networks, asked both ways. */
#include "base/err.h"
#include "os/nets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

#define SEQ 7

static struct os_net_record last;
static size_t given;

static int
note(const struct os_net_record *rec, void *arg)
{
	if (rec == NULL) {
		given = 0;
		return 0;
	}
	last = *rec;
	given++;
	return 0;
}

struct message {
	uint8_t data[4096];
	size_t len;
};

static void
begin(struct message *m, uint16_t type, uint16_t flags, const void *body,
    size_t len)
{
	struct nlmsghdr h = {
		.nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = SEQ
	};

	h.nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
	memcpy(m->data + m->len, &h, sizeof(h));
	memcpy(m->data + m->len + NLMSG_HDRLEN, body, len);
	m->len += NLMSG_ALIGN(h.nlmsg_len);
}

/* To the message that was begun last, at `at`. */
static void
attr(struct message *m, size_t at, uint16_t type, const void *data, size_t len)
{
	struct nlattr a = { .nla_type = type,
		.nla_len = (uint16_t)(NLA_HDRLEN + len) };
	struct nlmsghdr h;

	memcpy(m->data + m->len, &a, sizeof(a));
	memcpy(m->data + m->len + NLA_HDRLEN, data, len);
	m->len += NLA_ALIGN(a.nla_len);
	memcpy(&h, m->data + at, sizeof(h));
	h.nlmsg_len = (uint32_t)(m->len - at);
	memcpy(m->data + at, &h, sizeof(h));
}

static int
take(const struct message *m, enum os_net_table table,
    struct os_netlink_datagram *d)
{
	memset(d, 0, sizeof(*d));
	d->seq = SEQ;
	note(NULL, NULL);
	return os_netlink_take(m->data, m->len, table, note, NULL, d);
}

static void
socket_message(struct message *m)
{
	struct inet_diag_msg s = { .idiag_family = AF_INET,
		.idiag_state = 10,
		.idiag_uid = 33,
		.idiag_inode = 4711 };

	memset(m, 0, sizeof(*m));
	s.id.idiag_sport = htons(8080);
	s.id.idiag_src[0] = htonl(0x0a000001);
	begin(m, SOCK_DIAG_BY_FAMILY, NLM_F_MULTI, &s, sizeof(s));
}

static void
test_socket(void **state)
{
	static const uint8_t want[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };
	struct os_netlink_datagram d;
	struct message m;
	int32_t zero = 0;

	socket_message(&m);
	begin(&m, NLMSG_DONE, NLM_F_MULTI, &zero, sizeof(zero));
	assert_int_equal(take(&m, OS_NET_TCP, &d), 0);
	assert_true(d.done);
	assert_int_equal(d.error, 0);
	assert_int_equal(given, 1);
	assert_memory_equal(last.u.socket.local, want, 16);
	assert_int_equal(last.u.socket.local_port, 8080);
	assert_int_equal(last.u.socket.state, OS_LISTEN);
	assert_int_equal(last.u.socket.inode, 4711);
	assert_int_equal(last.u.socket.uid, 33);
	assert_false(last.u.socket.v6);
}

static void
test_neighbour(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };
	struct ndmsg n = {
		.ndm_family = AF_INET6, .ndm_ifindex = 3, .ndm_state = NUD_STALE
	};
	struct os_netlink_datagram d;
	struct message m = { .len = 0 };
	uint8_t addr[16];

	assert_int_equal(inet_pton(AF_INET6, "fd00::9", addr), 1);
	begin(&m, RTM_NEWNEIGH, 0, &n, sizeof(n));
	attr(&m, 0, NDA_DST, addr, 16);
	attr(&m, 0, NDA_LLADDR, mac, 6);
	assert_int_equal(take(&m, OS_NET_NEIGHBOURS, &d), 0);
	assert_int_equal(given, 1);
	assert_memory_equal(last.u.neighbour.addr, addr, 16);
	assert_memory_equal(last.u.neighbour.mac, mac, 6);
	assert_int_equal(last.u.neighbour.mac_len, 6);
	assert_int_equal(last.u.neighbour.ifindex, 3);
	/* multicast is no neighbour */
	m.len = 0;
	n.ndm_state = NUD_NOARP;
	begin(&m, RTM_NEWNEIGH, 0, &n, sizeof(n));
	attr(&m, 0, NDA_DST, addr, 16);
	assert_int_equal(take(&m, OS_NET_NEIGHBOURS, &d), 0);
	assert_int_equal(given, 0);
	assert_int_equal(d.unparsed, 0);
}

static void
test_address(void **state)
{
	static const uint8_t own[4] = { 10, 0, 0, 1 },
			     peer[4] = { 10, 0, 0, 2 };
	static const uint8_t want[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };
	struct ifaddrmsg a = {
		.ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = 5
	};
	struct os_netlink_datagram d;
	struct message m = { .len = 0 };

	begin(&m, RTM_NEWADDR, 0, &a, sizeof(a));
	attr(&m, 0, IFA_LOCAL, own, 4);
	attr(&m, 0, IFA_ADDRESS, peer, 4);
	assert_int_equal(take(&m, OS_NET_ADDRESSES, &d), 0);
	assert_int_equal(given, 1);
	assert_memory_equal(last.u.address.addr, want, 16);
	assert_int_equal(last.u.address.bits, 120);
	/* an address of another length than its family's */
	m.len = 0;
	begin(&m, RTM_NEWADDR, 0, &a, sizeof(a));
	attr(&m, 0, IFA_LOCAL, want, 16);
	assert_int_equal(take(&m, OS_NET_ADDRESSES, &d), 0);
	assert_int_equal(given, 0);
	assert_int_equal(d.unparsed, 1);
}

static void
test_link(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	struct ifinfomsg l = { .ifi_index = 2 };
	struct os_netlink_datagram d;
	struct message m = { .len = 0 };

	begin(&m, RTM_NEWLINK, NLM_F_DUMP_INTR, &l, sizeof(l));
	attr(&m, 0, IFLA_IFNAME, "eth0", 5);
	attr(&m, 0, IFLA_ADDRESS, mac, 6);
	assert_int_equal(take(&m, OS_NET_LINKS, &d), 0);
	assert_int_equal(given, 1);
	assert_string_equal(last.u.link.name, "eth0");
	assert_true(d.interrupted);
	/* a name without its end */
	m.len = 0;
	begin(&m, RTM_NEWLINK, 0, &l, sizeof(l));
	attr(&m, 0, IFLA_IFNAME, "eth0", 4);
	assert_int_equal(take(&m, OS_NET_LINKS, &d), 0);
	assert_int_equal(given, 0);
	assert_int_equal(d.unparsed, 1);
}

static void
test_refused(void **state)
{
	int32_t error = -1; /* EPERM */
	struct os_netlink_datagram d;
	struct message m = { .len = 0 };

	begin(&m, NLMSG_ERROR, 0, &error, sizeof(error));
	assert_int_equal(take(&m, OS_NET_TCP, &d), 0);
	assert_true(d.done);
	assert_int_equal(d.error, 1);
	/* what answers another question is left out */
	socket_message(&m);
	m.data[8]++;
	assert_int_equal(take(&m, OS_NET_TCP, &d), 0);
	assert_int_equal(given, 0);
	assert_false(d.done);
}

/* Every bit turned and every end cut off: nothing worse than an error. */
static void
test_damaged(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };
	struct ndmsg n = { .ndm_family = AF_INET, .ndm_state = NUD_REACHABLE };
	struct os_netlink_datagram d;
	struct message m = { .len = 0 }, bad;
	size_t bit, cut;
	uint8_t *exact;

	begin(&m, RTM_NEWNEIGH, 0, &n, sizeof(n));
	attr(&m, 0, NDA_DST, mac, 4);
	attr(&m, 0, NDA_LLADDR, mac, 6);
	for (bit = 0; bit < m.len * 8; bit++) {
		bad = m;
		bad.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		(void)take(&bad, OS_NET_NEIGHBOURS, &d);
		assert_true(given <= 1);
	}
	for (cut = 0; cut < m.len; cut++) {
		exact = malloc(cut + 1);
		assert_non_null(exact);
		memcpy(exact, m.data, cut);
		memset(&d, 0, sizeof(d));
		d.seq = SEQ;
		note(NULL, NULL);
		assert_int_equal(os_netlink_take(exact, cut, OS_NET_NEIGHBOURS,
				     note, NULL, &d),
		    cut == 0 ? 0 : ERR_INVALID);
		assert_int_equal(given, 0);
		free(exact);
	}
}

static void
test_lines(void **state)
{
	static const struct {
		enum os_net_file file;
		const char *line, *prev;
		int want;
	} cases[] = {
		{ OS_NET_FILE_SOCKETS, "  sl  local_address rem_address", "",
		    0 },
		{ OS_NET_FILE_SOCKETS, "   0: 0100007F:1F90", "", ERR_INVALID },
		{ OS_NET_FILE_SOCKETS,
		    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 "
		    "00:00000000 00000000    33        0 4711 1 0 100",
		    "", 1 },
		{ OS_NET_FILE_SOCKETS6,
		    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 "
		    "00:00000000 00000000    33        0 4711 1 0 100",
		    "", ERR_INVALID },
		{ OS_NET_FILE_ARP, "IP address       HW type     Flags", "",
		    0 },
		{ OS_NET_FILE_ARP,
		    "10.0.0.9  0x1  0x2  02:00:00:00:00:09  *  eth0", "", 1 },
		{ OS_NET_FILE_ARP,
		    "10.0.0.9  0x1  0x2  02:00:00:zz:00:09  *  eth0", "",
		    ERR_INVALID },
		{ OS_NET_FILE_ARP, "10.0.0.999  0x1  0x2  02:00  *  eth0", "",
		    ERR_INVALID },
		{ OS_NET_FILE_INET6,
		    "fd000000000000000000000000000001 02 40 00 80     eth0", "",
		    1 },
		{ OS_NET_FILE_INET6,
		    "fd000000000000000000000000000001 02 81 00 80     eth0", "",
		    ERR_INVALID },
		{ OS_NET_FILE_INET6, "fd00 02 40 00 80     eth0", "",
		    ERR_INVALID },
		{ OS_NET_FILE_FIB, "           /32 host LOCAL",
		    "        |-- 10.0.0.1", 1 },
		{ OS_NET_FILE_FIB, "           /32 link BROADCAST",
		    "        |-- 10.0.0.255", 0 },
		{ OS_NET_FILE_FIB, "           /32 host LOCAL",
		    "Local:", ERR_INVALID },
	};
	struct os_net_record rec;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (os_net_line(cases[i].file, cases[i].line, cases[i].prev,
			&rec) != cases[i].want)
			fail_msg("case %zu: %s", i, cases[i].line);
	}
	assert_int_equal(
	    os_net_line(OS_NET_FILE_SOCKETS, cases[2].line, "", &rec), 1);
	assert_int_equal(rec.u.socket.inode, 4711);
	assert_int_equal(rec.u.socket.uid, 33);
	assert_int_equal(rec.u.socket.local_port, 8080);
	assert_int_equal(rec.u.socket.state, OS_LISTEN);
}

/* --- this host ------------------------------------------------------------ */

static uint16_t wanted_port;
static uint32_t wanted_inode;
static bool met;

static int
find_port(const struct os_net_record *rec, void *arg)
{
	if (rec == NULL)
		met = false;
	else if (rec->u.socket.local_port == wanted_port &&
	    rec->u.socket.inode == wanted_inode)
		met = true;
	return 0;
}

static void
test_own(void **state)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t len = sizeof(a);
	struct os_net_reading how;
	const struct os_holder *h;
	struct os_nets *ns;
	struct os_net files;
	struct stat st;
	struct err e;
	size_t more;
	int fd, rc;

	fd = socket(AF_INET6, SOCK_STREAM, 0);
	if (fd < 0)
		skip(); /* no IPv6 here */
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(fstat(fd, &st), 0);
	wanted_port = ntohs(a.sin6_port);
	wanted_inode = (uint32_t)st.st_ino;
	err_clear(&e);
	assert_int_equal(os_nets_open(&ns, &e), 0);
	assert_true(os_nets_at(ns, 0)->own);
	h = os_nets_holder(ns, wanted_inode, &more);
	assert_non_null(h);
	assert_int_equal(h->pid, getpid());
	assert_string_equal(h->comm, "test_nets");
	assert_non_null(strstr(h->exe, "test_nets"));
	assert_int_equal(more, 0);
	rc = os_net_read(os_nets_at(ns, 0), OS_NET_TCP, 1u << OS_LISTEN,
	    find_port, NULL, &how, &e);
	assert_int_equal(rc, 0);
	assert_true(met);
	/* the other way */
	files = *os_nets_at(ns, 0);
	files.diag = files.route = -1;
	rc = os_net_read(
	    &files, OS_NET_TCP, 1u << OS_LISTEN, find_port, NULL, &how, &e);
	assert_int_equal(rc, 0);
	assert_true(how.by_files);
	assert_int_equal(how.unparsed, 0);
	assert_true(met);
	rc = os_net_read(&files, OS_NET_TCP, 1u << OS_ESTABLISHED, find_port,
	    NULL, &how, &e);
	assert_int_equal(rc, 0);
	assert_false(met);
	rc = os_net_read(&files, OS_NET_LINKS, 0, note, NULL, &how, &e);
	assert_int_equal(rc, 0);
	assert_true(how.no_table);
	os_nets_free(ns);
	close(fd);
}

static int
refuse(const struct os_net_record *rec, void *arg)
{
	return rec != NULL;
}

static void
test_tables(void **state)
{
	static const enum os_net_table tables[] = { OS_NET_LINKS,
		OS_NET_ADDRESSES };
	struct os_net_reading how;
	struct os_nets *ns;
	struct err e;
	size_t i;

	err_clear(&e);
	assert_int_equal(os_nets_open(&ns, &e), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(os_net_read(os_nets_at(ns, 0), tables[i], 0,
				     note, NULL, &how, &e),
		    0);
		assert_true(given > 0); /* lo at least */
		assert_int_equal(how.unparsed, 0);
		assert_false(how.by_files);
	}
	assert_int_equal(os_net_read(os_nets_at(ns, 0), OS_NET_LINKS, 0, refuse,
			     NULL, &how, &e),
	    ERR_CLOSED);
	os_nets_free(ns);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_socket),
		cmocka_unit_test(test_neighbour),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
