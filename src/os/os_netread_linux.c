/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The step without rights: dumps over the sockets that were opened, each until
 * it was not interrupted by a change, a bounded number of times; where the
 * kernel refuses, the files of /proc/PID/net.
 */
#include "os/nets.h"

#include "base/err.h"
#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

#define TRIES 5
#define ROOM (64 * 1024) /* the kernel puts at most 32 KiB into one */
#define PATIENCE_MS 10000

static const char *const state_texts[OS_STATES] = { "", "established",
	"syn-sent", "syn-received", "fin-wait-1", "fin-wait-2", "time-wait",
	"closed", "close-wait", "last-ack", "listen", "closing", "syn-received",
	"bound" };

const char *
os_socket_state_text(unsigned int state)
{
	return state < OS_STATES ? state_texts[state] : "";
}

struct question {
	struct nlmsghdr h;
	union {
		struct inet_diag_req_v2 diag;
		struct ifinfomsg link;
		struct ifaddrmsg addr;
		struct ndmsg neigh;
	} u;
};

static void
fill(struct question *q, enum os_net_table table, uint8_t family,
    uint32_t states)
{
	static const struct {
		uint16_t type;
		size_t len;
	} types[] = {
		[OS_NET_TCP] = { SOCK_DIAG_BY_FAMILY, sizeof(q->u.diag) },
		[OS_NET_UDP] = { SOCK_DIAG_BY_FAMILY, sizeof(q->u.diag) },
		[OS_NET_NEIGHBOURS] = { RTM_GETNEIGH, sizeof(q->u.neigh) },
		[OS_NET_LINKS] = { RTM_GETLINK, sizeof(q->u.link) },
		[OS_NET_ADDRESSES] = { RTM_GETADDR, sizeof(q->u.addr) },
	};
	static uint32_t seq;

	memset(q, 0, sizeof(*q));
	q->h.nlmsg_type = types[table].type;
	q->h.nlmsg_len = (uint32_t)NLMSG_LENGTH(types[table].len);
	q->h.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	q->h.nlmsg_seq = ++seq;
	if (table == OS_NET_TCP || table == OS_NET_UDP) {
		q->u.diag.sdiag_family = family;
		q->u.diag.sdiag_protocol =
		    table == OS_NET_TCP ? IPPROTO_TCP : IPPROTO_UDP;
		q->u.diag.idiag_states = states;
	}
}

static const char *const table_names[] = { [OS_NET_TCP] = "tcp",
	[OS_NET_UDP] = "udp",
	[OS_NET_NEIGHBOURS] = "neighbours",
	[OS_NET_LINKS] = "links",
	[OS_NET_ADDRESSES] = "addresses" };

/* One datagram from the kernel itself; others are left out. */
static ssize_t
receive(int fd, enum os_net_table table, void *room, struct err *e)
{
	struct sockaddr_nl from;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	socklen_t len;
	ssize_t n;
	int rc;

	for (;;) {
		len = sizeof(from);
		memset(&from, 0, sizeof(from));
		n = fault_error("nets.receive", table_names[table]) != 0
		    ? -1
		    : recvfrom(fd, room, ROOM, MSG_DONTWAIT | MSG_TRUNC,
			  (struct sockaddr *)&from, &len);
		if (n >= 0 && from.nl_pid == 0)
			return n;
		if (n >= 0 || errno == EINTR)
			continue;
		if (errno == ENOBUFS) /* some were lost: try again */
			return -ENOBUFS;
		if (errno != EAGAIN)
			return err_errno(e, "netlink");
		rc = poll(&p, 1, PATIENCE_MS);
		if (rc == 0)
			return err_set(
			    e, ERR_TIMEOUT, "netlink: the kernel is silent");
		if (rc < 0 && errno != EINTR)
			return err_errno(e, "netlink");
	}
}

struct dump {
	const struct os_net *net;
	enum os_net_table table;
	uint32_t states;
	os_net_on_record *cb;
	void *arg;
	struct os_net_reading *how;
	uint8_t *room;
};

/* The whole answer to one question. *ret_again: it is worth another try. */
static int
dump_once(
    struct dump *d, int fd, uint8_t family, bool *ret_again, struct err *e)
{
	struct os_netlink_datagram msg = { 0 };
	struct question q;
	ssize_t n;
	int rc;

	fill(&q, d->table, family, d->states);
	msg.seq = q.h.nlmsg_seq;
	if (send(fd, &q, q.h.nlmsg_len, 0) < 0)
		return err_errno(e, "netlink");
	if (fault_error("nets.dump", table_names[d->table]) != 0)
		msg.interrupted = true;
	while (!msg.done) {
		n = receive(fd, d->table, d->room, e);
		if (n == -ENOBUFS || n > ROOM) {
			msg.interrupted = true;
			continue;
		}
		if (n < 0)
			return (int)n;
		rc = os_netlink_take(
		    d->room, (size_t)n, d->table, d->cb, d->arg, &msg);
		if (rc == ERR_CLOSED)
			return err_set(e, rc, "stopped");
		if (rc != 0)
			msg.unparsed++;
	}
	d->how->unparsed += msg.unparsed;
	*ret_again = msg.interrupted;
	errno = msg.error;
	return msg.error == 0 ? 0 : err_errno(e, "netlink");
}

/* Sockets are asked for by family; one that this host does not have, or a
 * kernel without that table, has no entries. */
static int
dump_all(struct dump *d, bool *ret_again, struct err *e)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	bool sockets = d->table == OS_NET_TCP || d->table == OS_NET_UDP;
	int fd = sockets ? d->net->diag : d->net->route, rc = 0;
	bool again = false;
	size_t i;

	*ret_again = false;
	if (fd < 0)
		return err_set(e, ERR_DENIED, "netlink is refused");
	if (!sockets)
		return dump_once(d, fd, AF_UNSPEC, ret_again, e);
	for (i = 0; i < 2 && rc == 0; i++) {
		rc = dump_once(d, fd, families[i], &again, e);
		*ret_again = *ret_again || again;
	}
	return rc;
}

static int
read_by_netlink(struct dump *d, struct err *e)
{
	bool again = true;
	int tries, rc = 0;

	d->room = malloc(ROOM);
	if (d->room == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (tries = 0; tries < TRIES && again && rc == 0; tries++) {
		d->how->unparsed = 0;
		if (d->cb(NULL, d->arg) != 0)
			rc = err_set(e, ERR_CLOSED, "stopped");
		else
			rc = dump_all(d, &again, e);
	}
	free(d->room);
	d->how->interrupted = again;
	return rc;
}

/* --- /proc/PID/net -------------------------------------------------------- */

struct file {
	enum os_net_table table;
	enum os_net_file kind;
	const char *name;
	bool optional; /* absent where there is no IPv6 */
};

static const struct file files[] = {
	{ OS_NET_TCP, OS_NET_FILE_SOCKETS, "tcp", false },
	{ OS_NET_TCP, OS_NET_FILE_SOCKETS6, "tcp6", true },
	{ OS_NET_UDP, OS_NET_FILE_SOCKETS, "udp", false },
	{ OS_NET_UDP, OS_NET_FILE_SOCKETS6, "udp6", true },
	{ OS_NET_NEIGHBOURS, OS_NET_FILE_ARP, "arp", false },
	{ OS_NET_ADDRESSES, OS_NET_FILE_FIB, "fib_trie", false },
	{ OS_NET_ADDRESSES, OS_NET_FILE_INET6, "if_inet6", true },
};

static int
take_line(struct dump *d, const struct file *f, const char *line,
    const char *prev, struct err *e)
{
	struct os_net_record rec;
	int rc;

	memset(&rec, 0, sizeof(rec));
	rec.table = d->table;
	rc = os_net_line(f->kind, line, prev, &rec);
	if (rc < 0)
		d->how->unparsed++;
	if (rc != 1 ||
	    ((d->table == OS_NET_TCP || d->table == OS_NET_UDP) &&
		(rec.u.socket.state >= 32 ||
		    (d->states >> rec.u.socket.state & 1) == 0)))
		return 0;
	return d->cb(&rec, d->arg) == 0 ? 0 : err_set(e, ERR_CLOSED, "stopped");
}

static int
read_file(struct dump *d, const struct file *f, struct err *e)
{
	char path[64], line[512], prev[512] = "";
	/* it shows two tables, and own addresses perhaps in both */
	bool active = f->kind != OS_NET_FILE_FIB;
	FILE *in;
	size_t n;
	int rc = 0;

	snprintf(
	    path, sizeof(path), "/proc/%d/net/%s", (int)d->net->pid, f->name);
	in = fopen(path, "re");
	if (in == NULL)
		return f->optional && errno == ENOENT
		    ? 0
		    : err_errno(e, "%s", path);
	while (rc == 0 && fgets(line, sizeof(line), in) != NULL) {
		n = strcspn(line, "\n");
		line[n] = '\0';
		if (active)
			rc = take_line(d, f, line, prev, e);
		else
			active = strcmp(line, "Local:") == 0;
		memcpy(prev, line, n + 1);
	}
	if (rc == 0 && ferror(in) != 0)
		rc = err_errno(e, "%s", path);
	fclose(in);
	return rc;
}

static int
read_by_files(struct dump *d, struct err *e)
{
	bool any = false;
	size_t i;
	int rc = 0;

	if (d->net->pid <= 0)
		return err_set(e, ERR_DENIED,
		    "it may not be entered, and no process in it is known");
	if (d->cb(NULL, d->arg) != 0)
		return err_set(e, ERR_CLOSED, "stopped");
	for (i = 0; i < sizeof(files) / sizeof(files[0]) && rc == 0; i++) {
		if (files[i].table != d->table)
			continue;
		any = true;
		rc = read_file(d, &files[i], e);
	}
	d->how->by_files = true;
	d->how->no_table = !any;
	d->how->no_v6 = d->table == OS_NET_NEIGHBOURS;
	return rc;
}

int
os_net_read(const struct os_net *net, enum os_net_table table, uint32_t states,
    os_net_on_record *cb, void *arg, struct os_net_reading *ret, struct err *e)
{
	struct os_net_reading how = { 0 };
	struct dump d = { net, table, states, cb, arg, &how, NULL };
	int rc = read_by_netlink(&d, e);

	if (rc != 0 && rc != ERR_CLOSED && rc != ERR_NOMEM) {
		err_clear(e);
		memset(&how, 0, sizeof(how));
		rc = read_by_files(&d, e);
	}
	*ret = how;
	return rc;
}
