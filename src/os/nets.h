/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The networks of this host: network namespaces, the sockets in them and
 * whose they are, neighbours, interfaces and their addresses. Asked of the
 * kernel in two steps, as the second needs no rights:
 *
 *   os_nets_open()  with rights: finds the namespaces, opens what they can be
 *                   asked through, notes which process holds which socket
 *   os_net_read()   without: asks, and takes the answers apart
 *
 * Addresses are 16 bytes in network order, IPv4 as IPv4-mapped IPv6.
 */
#ifndef MIG_OS_NETS_H
#define MIG_OS_NETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct os_nets;

#define OS_NET_NAME_MAX 32
#define OS_MAC_MAX 32
#define OS_IFNAME_MAX 16
#define OS_COMM_MAX 16

/* One network namespace. */
struct os_net {
	char name[OS_NET_NAME_MAX]; /* "net:[4026531833]"; "pid:12" where it
				       may not be read: that process's */
	bool own;                   /* this process's */
	pid_t pid;                  /* a process in it; 0: none is known */
	int diag, route;            /* netlink sockets in it, or -1 */
};

/* A process that holds sockets. */
struct os_holder {
	pid_t pid;
	char comm[OS_COMM_MAX]; /* as the kernel names it, any bytes */
	char *exe;              /* its program's path, or NULL */
};

/* What could not be looked at while opening. */
struct os_nets_gaps {
	uint64_t processes;   /* whose descriptors may not be seen */
	uint64_t vanished;    /* processes that ended meanwhile */
	uint64_t holders;     /* sockets beyond what is noted */
	uint64_t networks;    /* namespaces beyond what is opened */
	uint64_t not_entered; /* namespaces that may not be entered */
};

/* Never fails for what may not be looked at. Leaves this process in its own
 * namespaces. */
int os_nets_open(struct os_nets **ret, struct err *e);
void os_nets_free(struct os_nets *n);
/* The own one is the first. */
size_t os_nets_count(const struct os_nets *n);
const struct os_net *os_nets_at(const struct os_nets *n, size_t i);
const struct os_nets_gaps *os_nets_gaps(const struct os_nets *n);
/* Descriptors it holds. */
size_t os_nets_descriptors(const struct os_nets *n);
/* Who holds the socket with this number, or NULL; *ret_more: how many others
 * hold it too. */
const struct os_holder *
os_nets_holder(const struct os_nets *n, uint32_t inode, size_t *ret_more);

enum os_net_table {
	OS_NET_TCP,
	OS_NET_UDP,
	OS_NET_NEIGHBOURS,
	OS_NET_LINKS,
	OS_NET_ADDRESSES,
};

/* States of TCP sockets as Linux numbers them (RFC 9293 section 3.3.2); UDP
 * sockets are ESTABLISHED when connected, else CLOSED. */
enum os_socket_state {
	OS_ESTABLISHED = 1,
	OS_SYN_SENT,
	OS_SYN_RECEIVED,
	OS_FIN_WAIT_1,
	OS_FIN_WAIT_2,
	OS_TIME_WAIT,
	OS_CLOSED,
	OS_CLOSE_WAIT,
	OS_LAST_ACK,
	OS_LISTEN,
	OS_CLOSING,
	OS_NEW_SYN_RECEIVED,
	OS_BOUND,
	OS_STATES
};
const char *os_socket_state_text(unsigned int state);

struct os_socket {
	bool v6; /* of the address family AF_INET6 */
	uint8_t state;
	uint8_t local[16], remote[16];
	uint16_t local_port, remote_port;
	uint32_t uid;   /* who made it, in this user namespace */
	uint32_t inode; /* 0: belongs to no process any more */
};

struct os_neighbour {
	uint8_t addr[16];
	uint8_t mac[OS_MAC_MAX];
	uint8_t mac_len; /* 0: it never answered */
	uint32_t ifindex;
	char ifname[OS_IFNAME_MAX]; /* "" where only the number is known */
};

struct os_link {
	uint32_t ifindex;
	char name[OS_IFNAME_MAX];
	uint8_t mac[OS_MAC_MAX];
	uint8_t mac_len;
};

struct os_address {
	uint8_t addr[16];
	uint8_t bits; /* of the network, 0 to 128, 96 more for IPv4 */
	uint32_t ifindex;
	char ifname[OS_IFNAME_MAX]; /* "" where only the number is known */
};

struct os_net_record {
	enum os_net_table table;
	union {
		struct os_socket socket;
		struct os_neighbour neighbour;
		struct os_link link;
		struct os_address address;
	} u;
};

/* How a table was read. */
struct os_net_reading {
	bool by_files;     /* from /proc/PID/net, netlink being refused */
	bool no_table;     /* not there in this way: nothing was read */
	bool no_v6;        /* of neighbours only those of IPv4 */
	bool interrupted;  /* it changed during each try: may lack entries */
	uint64_t unparsed; /* entries that were not understood */
};

/* rec NULL: what this call gave so far is void, it starts anew. Non-zero
 * ends the reading. */
typedef int os_net_on_record(const struct os_net_record *rec, void *arg);

/* states: sockets in one of them only, bits 1 << state. ERR_DENIED and others:
 * neither way could be read, e says why; ERR_CLOSED: the callback ended it. */
int
os_net_read(const struct os_net *net, enum os_net_table table, uint32_t states,
    os_net_on_record *cb, void *arg, struct os_net_reading *ret, struct err *e);

/* --- taking messages and lines apart (os_netlink_linux.c, os_netfile_linux.c)
 */

/*
 * One datagram of netlink messages (netlink(7)) in answer to a dump of table.
 * Each entry is given to cb. *ret_done: it was the last one.
 */
struct os_netlink_datagram {
	uint32_t seq; /* of the question: other messages are ignored */
	bool done;
	bool interrupted;  /* NLM_F_DUMP_INTR */
	int error;         /* errno of the kernel, positive */
	uint64_t unparsed; /* added to */
};

/* ERR_CLOSED: the callback ended it; ERR_INVALID: no messages (what stood
 * before was given). */
int os_netlink_take(const void *data, size_t len, enum os_net_table table,
    os_net_on_record *cb, void *arg, struct os_netlink_datagram *d);

enum os_net_file {
	OS_NET_FILE_SOCKETS,  /* tcp, udp */
	OS_NET_FILE_SOCKETS6, /* tcp6, udp6 */
	OS_NET_FILE_ARP,
	OS_NET_FILE_INET6, /* if_inet6 */
	OS_NET_FILE_FIB,   /* fib_trie: two lines make an address */
};

/* One line of /proc/PID/net/... without its end (proc_pid_net(5)). 1: rec is
 * set; 0: a line without an entry; ERR_INVALID: not understood. prev is the
 * line before, or "". rec->table is left alone. */
int os_net_line(enum os_net_file file, const char *line, const char *prev,
    struct os_net_record *rec);

#endif
