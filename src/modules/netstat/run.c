/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The netstat module's work. What needs rights was opened before the sandbox
 * closed (os/nets.h); here every network in question is asked for the tables
 * that the searches need, and each entry compared as it comes: nothing is kept
 * but what was found, in a few bytes each, and the names of one network's
 * interfaces.
 *
 * A table that changes while it is read is read anew; what it gave so far is
 * taken back.
 */
#include "modules/run.h"

#include "base/err.h"
#include "base/jsonw.h"
#include "modules/common/outcome.h"
#include "modules/common/watch.h"
#include "modules/netstat/ask.h"
#include "modules/netstat/entry.h"
#include "modules/params.h"
#include "os/nets.h"

#include <stdlib.h>
#include <string.h>

#define LINKS_MAX 65536

enum gap {
	GAP_OWNERS,
	GAP_VANISHED,
	GAP_NOT_ASKED,
	GAP_NETWORK,
	GAP_MACS,
	GAP_NEIGHBOURS,
	GAP_INTERRUPTED,
	GAP_UNPARSED,
	GAP_INTERFACES,
	GAP_ENGINE,
	GAP_OUTPUT,
	GAP_MEMORY,
	GAP_TIME,
	GAP_CPU,
	GAP_STOPPED,
	GAPS
};

static const struct outcome_kind gaps[GAPS] = {
	[GAP_OWNERS] = { "owners", NULL, true },
	[GAP_VANISHED] = { "vanished", NULL, true },
	[GAP_NOT_ASKED] = { "notasked", NULL, true },
	[GAP_NETWORK] = { "namespace", NULL, false },
	[GAP_MACS] = { "interfacemacs",
	    "namespaces that may not be entered, where no interface's MAC "
	    "address can be seen",
	    false },
	[GAP_NEIGHBOURS] = { "ipv6neighbours",
	    "namespaces that may not be entered, where no neighbour of IPv6 "
	    "can be seen",
	    false },
	[GAP_INTERRUPTED] = { "changing", NULL, false },
	[GAP_UNPARSED] = { "unparsed", "entries that were not understood",
	    false },
	[GAP_INTERFACES] = { "interfacenames", NULL, true },
	[GAP_ENGINE] = { "enginelimit", NULL, false },
	[GAP_OUTPUT] = { "outputlimit", NULL, false },
	[GAP_MEMORY] = { "memorylimit", NULL, false },
	[GAP_TIME] = { "timelimit", NULL, false },
	[GAP_CPU] = { "cpulimit", NULL, false },
	[GAP_STOPPED] = { "stopped", NULL, false },
};

struct run {
	const struct run_context *ctx;
	struct ask ask;
	struct outcome outcome;
	struct watch watch;
	struct users users;
	bool everywhere;
	uint64_t examined, hits, networks, by_files;
	/* the network and the table at hand */
	const struct os_net *net;
	uint16_t space; /* its number */
	enum os_net_table table;
	const struct os_net_record *rec;
	const char *ifname;
	struct buf measured; /* an entry's JSON, for its length */
	uint64_t examined_mark, hits_mark;
	size_t used_mark;
	bool full_mark, out_of_memory_mark;
	struct os_link *links;
	size_t nlinks, links_cap;
};

static void
write_entry(struct run *r, const struct os_net_record *rec, uint16_t space,
    const char *ifname, bool comma, struct buf *out)
{
	const struct entry en = { .rec = rec,
		.space = r->everywhere ? os_nets_at(r->ctx->nets, space)->name
				       : "default",
		.ifname = ifname,
		.nets = r->ctx->nets };

	entry_add(out, comma, &en, &r->users);
}

/* Keeps it if there is room for its JSON. */
static void
keep_entry(struct run *r, struct ask_value *v)
{
	uint8_t packed[ENTRY_PACKED_MAX];
	struct rows_field row = { packed,
		entry_pack(r->rec, r->space, r->ifname, packed) };

	buf_clear(&r->measured);
	write_entry(
	    r, r->rec, r->space, r->ifname, v->entries.n > 0, &r->measured);
	(void)outcome_keep_row(&r->outcome, &v->entries, &row, &r->measured);
}

static void
on_match(struct ask_value *v, void *arg)
{
	struct run *r = arg;

	if (!r->outcome.full && !r->ctx->found_only)
		keep_entry(r, v);
	v->hits++;
	r->hits++;
}

/* --- one table ------------------------------------------------------------ */

static void
each_value(struct run *r, void (*what)(struct ask_value *v))
{
	struct ask_search *s;
	size_t i, k;

	for (i = 0; i < NETSTAT_SEARCHES; i++) {
		s = &r->ask.searches[i];
		for (k = 0; k < s->n; k++)
			what(&s->values[k]);
	}
}

static void
mark_value(struct ask_value *v)
{
	v->mark = rows_mark(&v->entries);
	v->mark_hits = v->hits;
}

static void
take_back_value(struct ask_value *v)
{
	rows_take_back(&v->entries, v->mark);
	v->hits = v->mark_hits;
}

static void
mark(struct run *r)
{
	each_value(r, mark_value);
	r->examined_mark = r->examined;
	r->hits_mark = r->hits;
	r->used_mark = r->outcome.output_used;
	r->full_mark = r->outcome.full;
	r->out_of_memory_mark = r->outcome.out_of_memory;
	if (r->table == OS_NET_LINKS)
		r->nlinks = 0;
}

static void
take_back(struct run *r)
{
	each_value(r, take_back_value);
	r->examined = r->examined_mark;
	r->hits = r->hits_mark;
	r->outcome.output_used = r->used_mark;
	r->outcome.full = r->full_mark;
	r->outcome.out_of_memory = r->out_of_memory_mark;
	if (r->table == OS_NET_LINKS)
		r->nlinks = 0;
}

static void
note_link(struct run *r, const struct os_link *l)
{
	struct os_link *p;
	size_t cap;

	if (r->nlinks == r->links_cap) {
		cap = r->links_cap == 0 ? 64 : r->links_cap * 2;
		p = cap <= LINKS_MAX ? reallocarray(r->links, cap, sizeof(*p))
				     : NULL;
		if (p == NULL) {
			outcome_gap(&r->outcome, GAP_INTERFACES, NULL, NULL);
			return;
		}
		r->links = p;
		r->links_cap = cap;
	}
	r->links[r->nlinks++] = *l;
}

/* They come in the order of their numbers, but nothing promises it. */
static const char *
link_name(const struct run *r, uint32_t ifindex, const char *known)
{
	size_t i;

	if (*known != '\0' || ifindex == 0)
		return known;
	if (ifindex <= r->nlinks && r->links[ifindex - 1].ifindex == ifindex)
		return r->links[ifindex - 1].name;
	for (i = 0; i < r->nlinks; i++) {
		if (r->links[i].ifindex == ifindex)
			return r->links[i].name;
	}
	return "";
}

/* What never answered is no neighbour that was met. */
static void
look_at_neighbour(struct run *r, const struct os_neighbour *nb)
{
	char mac[MAC_TEXT_MAX];

	entry_mac(nb->mac, nb->mac_len, mac);
	if (*mac == '\0')
		return;
	r->ifname = link_name(r, nb->ifindex, nb->ifname);
	ask_mac(&r->ask, NETSTAT_NEIGHBORMAC, mac, on_match, r);
	ask_addr(&r->ask, NETSTAT_NEIGHBORIP, nb->addr, on_match, r);
}

static void
look_at_link(struct run *r, const struct os_link *l)
{
	char mac[MAC_TEXT_MAX];

	note_link(r, l);
	entry_mac(l->mac, l->mac_len, mac);
	r->ifname = l->name;
	if (*mac != '\0')
		ask_mac(&r->ask, NETSTAT_LOCALMAC, mac, on_match, r);
}

static void
look_at_socket(struct run *r, const struct os_socket *s)
{
	r->ifname = NULL;
	if (s->state == OS_LISTEN || s->state == OS_CLOSED)
		ask_port(&r->ask, s->local_port, on_match, r);
	else
		ask_addr(&r->ask, NETSTAT_CONNECTEDIP, s->remote, on_match, r);
}

static int
on_record(const struct os_net_record *rec, void *arg)
{
	struct run *r = arg;

	if (rec == NULL) {
		take_back(r);
		return watch_stop(&r->watch);
	}
	r->rec = rec;
	r->examined++;
	switch (rec->table) {
	case OS_NET_TCP:
	case OS_NET_UDP:
		look_at_socket(r, &rec->u.socket);
		break;
	case OS_NET_NEIGHBOURS:
		look_at_neighbour(r, &rec->u.neighbour);
		break;
	case OS_NET_LINKS:
		look_at_link(r, &rec->u.link);
		break;
	case OS_NET_ADDRESSES:
		r->ifname =
		    link_name(r, rec->u.address.ifindex, rec->u.address.ifname);
		ask_addr(
		    &r->ask, NETSTAT_LOCALIP, rec->u.address.addr, on_match, r);
		break;
	}
	return watch_stop(&r->watch);
}

/* Connected: of TCP everything but listeners and what is merely there; of UDP
 * what has a peer. Listening: the listeners, and UDP without a peer. */
static uint32_t
wanted_states(const struct run *r, enum os_net_table table)
{
	uint32_t states = 0;

	if (ask_has(&r->ask, NETSTAT_CONNECTEDIP))
		states |= table == OS_NET_UDP ? 1u << OS_ESTABLISHED
					      : ((1u << OS_STATES) - 1) &
			~(1u | 1u << OS_LISTEN | 1u << OS_CLOSED |
			    1u << OS_BOUND);
	if (ask_has(&r->ask, NETSTAT_LISTENINGPORT))
		states |=
		    table == OS_NET_UDP ? 1u << OS_CLOSED : 1u << OS_LISTEN;
	return states;
}

static void
note_reading(struct run *r, const struct os_net_reading *how)
{
	if (how->no_table && r->table == OS_NET_LINKS &&
	    ask_has(&r->ask, NETSTAT_LOCALMAC))
		outcome_gap(&r->outcome, GAP_MACS, r->net->name, NULL);
	if (how->no_v6)
		outcome_gap(&r->outcome, GAP_NEIGHBOURS, r->net->name, NULL);
	if (how->interrupted)
		outcome_gap(&r->outcome, GAP_INTERRUPTED, r->net->name,
		    "it changed each time it was read; entries may be "
		    "missing");
	if (how->unparsed > 0) {
		outcome_gap(&r->outcome, GAP_UNPARSED, r->net->name, NULL);
		r->outcome.counts[GAP_UNPARSED] += how->unparsed - 1;
	}
}

/* False when nothing more is to be read. */
static bool
read_table(struct run *r, enum os_net_table table, bool *by_files)
{
	struct os_net_reading how = { 0 };
	struct err e;
	int rc;

	err_clear(&e);
	r->table = table;
	mark(r);
	rc = os_net_read(
	    r->net, table, wanted_states(r, table), on_record, r, &how, &e);
	if (r->watch.end != WATCH_GOES_ON)
		return false;
	if (rc != 0) {
		take_back(r);
		outcome_gap(&r->outcome, GAP_NETWORK, r->net->name, e.msg);
		return true;
	}
	*by_files = *by_files || how.by_files;
	note_reading(r, &how);
	return true;
}

/* --- all networks --------------------------------------------------------- */

static bool
wants(const struct run *r, enum os_net_table table)
{
	const struct ask *a = &r->ask;
	bool neighbours =
	    ask_has(a, NETSTAT_NEIGHBORMAC) || ask_has(a, NETSTAT_NEIGHBORIP);

	switch (table) {
	case OS_NET_LINKS:
		return ask_has(a, NETSTAT_LOCALMAC) ||
		    ask_has(a, NETSTAT_LOCALIP) || neighbours;
	case OS_NET_ADDRESSES:
		return ask_has(a, NETSTAT_LOCALIP);
	case OS_NET_NEIGHBOURS:
		return neighbours;
	default:
		return ask_has(a, NETSTAT_CONNECTEDIP) ||
		    ask_has(a, NETSTAT_LISTENINGPORT);
	}
}

static bool
read_network(struct run *r, size_t at)
{
	const struct os_net *net = os_nets_at(r->ctx->nets, at);
	static const enum os_net_table tables[] = { OS_NET_LINKS,
		OS_NET_ADDRESSES, OS_NET_NEIGHBOURS, OS_NET_TCP, OS_NET_UDP };
	bool by_files = false;
	size_t i;

	r->net = net;
	r->space = (uint16_t)at;
	r->nlinks = 0;
	if (net->diag < 0 && net->route < 0 && net->pid == 0) {
		outcome_gap(&r->outcome, GAP_NETWORK, net->name,
		    "it may not be entered, and no process in it is known");
		return true;
	}
	r->networks++;
	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (wants(r, tables[i]) && !read_table(r, tables[i], &by_files))
			return false;
	}
	r->by_files += by_files;
	return true;
}

static void
count_gaps(struct run *r)
{
	const struct os_nets_gaps *g = os_nets_gaps(r->ctx->nets);
	bool sockets = wants(r, OS_NET_TCP);
	size_t others = os_nets_count(r->ctx->nets) - 1;

	r->outcome.counts[GAP_VANISHED] = g->vanished;
	if (sockets)
		r->outcome.counts[GAP_OWNERS] = g->processes + g->holders;
	if (sockets && g->processes > 0)
		outcome_note(&r->outcome,
		    "owners: processes that may not be looked into: %llu; "
		    "which sockets they hold is not told",
		    (unsigned long long)g->processes);
	if (sockets && g->holders > 0)
		outcome_note(&r->outcome,
		    "owners: sockets too many to note whose they are: %llu",
		    (unsigned long long)g->holders);
	if (!r->everywhere)
		r->outcome.counts[GAP_NOT_ASKED] = others + g->networks;
	else if (g->networks > 0) {
		outcome_gap(&r->outcome, GAP_NETWORK, NULL,
		    "more namespaces than are looked at");
		r->outcome.counts[GAP_NETWORK] += g->networks - 1;
	}
}

static void
look(struct run *r)
{
	size_t n = r->everywhere ? os_nets_count(r->ctx->nets) : 1, i;

	for (i = 0; i < n; i++) {
		if (!read_network(r, i))
			break;
	}
	if (i == n)
		return;
	outcome_gap(&r->outcome,
	    r->watch.end == WATCH_TIME      ? GAP_TIME
		: r->watch.end == WATCH_CPU ? GAP_CPU
					    : GAP_STOPPED,
	    NULL, r->watch.text);
	r->outcome.counts[GAP_NETWORK] += n - i - 1;
}

static void
note_end(struct run *r)
{
	const char *gave_up;
	size_t i;

	for (i = 0; i < NETSTAT_SEARCHES; i++) {
		gave_up = r->ask.searches[i].gave_up;
		if (gave_up != NULL)
			outcome_gap(&r->outcome, GAP_ENGINE, netstat_fields[i],
			    gave_up);
	}
	if (r->outcome.out_of_memory) {
		outcome_end_by(&r->outcome, GAP_MEMORY,
		    "limit reached: memory; not everything found is listed");
		if (r->ctx->ret_end != NULL)
			*r->ctx->ret_end = RUN_LIMIT;
	} else if (r->outcome.full) {
		outcome_gap(&r->outcome, GAP_OUTPUT, NULL,
		    "the answer's size limit is reached: not everything found "
		    "is listed");
	}
	if (r->by_files > 0)
		outcome_note(&r->outcome,
		    "netlink is refused in %llu of %llu namespaces: they were "
		    "read from /proc/PID/net",
		    (unsigned long long)r->by_files,
		    (unsigned long long)r->networks);
}

/* --- the answer ----------------------------------------------------------- */

static void
write_entries(struct run *r, struct ask_value *v, struct buf *out)
{
	struct os_net_record rec;
	char ifname[OS_IFNAME_MAX];
	struct rows_field row;
	bool comma = false;
	uint16_t space;

	rows_rewind(&v->entries);
	for (; rows_next(&v->entries, &row); comma = true) {
		entry_unpack(row.p, row.len, &rec, &space, ifname);
		write_entry(r, &rec, space, ifname, comma, out);
	}
}

/* Asked by number, answered by name; no hit is null, as in the original. */
static void
write_search(struct run *r, enum netstat_search which, struct jsonw *w)
{
	struct ask_search *s = &r->ask.searches[which];
	struct ask_value *v;
	size_t i;

	if (s->n == 0)
		return;
	jsonw_object(w, netstat_fields[which]);
	for (i = 0; i < s->n; i++) {
		v = &s->values[i];
		if (v->hits == 0) {
			jsonw_null(w, v->text);
			continue;
		}
		jsonw_array(w, v->text);
		write_entries(r, v, w->out);
		jsonw_array_end(w);
	}
	jsonw_object_end(w);
}

static int
write_answer(struct run *r, struct buf *out, struct err *e)
{
	struct jsonw w;
	size_t s;

	jsonw_init(&w, out);
	outcome_begin(&r->outcome, &w, r->hits > 0, true);
	for (s = 0; s < NETSTAT_SEARCHES; s++)
		write_search(r, s, &w);
	outcome_statistics(&r->outcome, &w);
	jsonw_u64(&w, "examined", r->examined);
	jsonw_u64(&w, "totalhits", r->hits);
	jsonw_u64(&w, "namespaces", r->networks);
	outcome_rights(&w, "netstat", r->ctx->rights);
	return outcome_end(&r->outcome, &w, e);
}

int
module_netstat_run(const json_t *params, const struct run_context *ctx,
    struct buf *out, struct err *e)
{
	struct run r = { .ctx = ctx,
		.everywhere = params_bool(params, "namespaces") };
	int rc;

	if (ctx->nets == NULL)
		return err_set(e, ERR_INTERNAL, "no network was opened");
	watch_begin(&r.watch, ctx);
	outcome_init(&r.outcome, gaps, GAPS, 0, ctx->output_max);
	buf_init(&r.measured, ctx->output_max);
	rc = ask_init(&r.ask, params, ctx->output_max, e);
	if (rc == 0) {
		count_gaps(&r);
		look(&r);
		note_end(&r);
		rc = write_answer(&r, out, e);
	}
	free(r.links);
	users_release(&r.users);
	buf_release(&r.measured);
	ask_release(&r.ask);
	outcome_release(&r.outcome);
	return rc;
}
