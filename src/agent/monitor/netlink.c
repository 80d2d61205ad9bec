/* SPDX-License-Identifier: MPL-2.0 */
/*
 * net as the monitor sees it: started with everything it needs to know,
 * restarted with backoff when it ends, its messages checked against the table
 * and taken apart field by field.
 *
 * A net that hangs ends nothing by itself. It is asked whether it runs when
 * there is reason to: a hello or a part of an answer that nobody answers, and,
 * while there is no connection, when a hello would be due. So as long as all is
 * well nothing wakes anybody for it.
 *
 *            start, ping             READY, PONG
 *   QUIET ----------------> WATCHED -------------> QUIET
 *                              | time is over: killed, started anew
 */
#include "agent/monitor/netlink.h"

#include "agent/monitor/chain.h"
#include "agent/cmd/enroldoc.h"
#include "agent/monitor/exam.h"
#include "agent/monitor/hello.h"
#include "agent/monitor/job.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/renewed.h"
#include "agent/seldom.h"
#include "agent/monitor/sender.h"
#include "base/bucket.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/str.h"
#include "ipc/ipc.h"
#include "mqtt/tunnel.h"
#include "proc/proc.h"
#include "proc/timer.h"

#include <event2/event.h>
#include <event2/util.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUEUE_MAX (4 * 1024 * 1024)
#define BACKOFF_MAX 60
#define FILE_MAX 16384
#define STOP_SECONDS 3
#define START_LIMIT 20 /* seconds until READY */
#define PING_LIMIT 60  /* and for a PONG: a keepalive, at most this */
/* A hello that nobody answers is said again: a relay may lose it. */
#define UNWELCOME_MS 15000
/* A relay has one connection of a name: two agents of one identity take it
 * from each other. One that lasted so long was not taken. */
#define TAKEN_MS 60000
#define TAKEN_TOLD 5
/* What has the monitor sign: so many at once, then four a second. Connections
 * and roll calls of an honest net are a second apart. */
#define COSTLY_BURST 240
#define COSTLY_US 250000
/* in the state directory: the highest number of a connection */
#define CONNECTION_FILE "connection"
#define CONNECTION_MAX (1ull << 60)

struct netlink {
	struct agent *a;
	pid_t pid;
	struct ipc_chan *chan;
	struct event *timer;    /* backoff of net's start; end of a stop */
	struct event *hello;    /* next hello; without a connection a look */
	struct event *watch;    /* net's time to answer */
	int watching;           /* seconds it has; 0: not asked */
	unsigned int unwelcome; /* hellos since the last welcome */
	bool up, stopping;
	bool paused;
	int backoff;
	int64_t up_ms;      /* when it began */
	unsigned int taken; /* connections in a row that did not last */
	struct bucket costly;
	uint64_t connection; /* of the relay session, from net */
	uint64_t reserved;   /* highest number that net may use */
	int64_t heard_ms;
	struct seldom said_clock, said_protocol;
	struct renewed renewed;
	char sandbox[128];
	struct tunnel_peer relay;
	char peer[sizeof(((struct tunnel_peer *)NULL)->host) + 8];
};

static int start_net(struct netlink *n, struct err *e);

/* --- does it run? --------------------------------------------------------- */

static void
watch(struct netlink *n, int seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	n->watching = seconds;
	/* while nothing is read from it, it cannot answer */
	if (seconds > 0 && !n->paused)
		timer_start(n->watch, &tv);
	else
		event_del(n->watch);
}

static void
on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct netlink *n = arg;

	log_error("net_hangs pid=%d seconds=%d effect=%s", (int)n->pid,
	    n->watching, log_quote("killed, to be started anew"));
	n->watching = 0;
	if (n->pid > 0)
		kill(n->pid, SIGKILL);
}

void
netlink_check(struct netlink *n)
{
	int64_t keepalive;

	if (n == NULL || n->chan == NULL || n->stopping || n->watching > 0)
		return;
	keepalive = n->a->conf.keepalive;
	/* a full channel is no excuse: it is one that net does not read */
	(void)ipc_chan_send(n->chan, MSG_NET_PING, 0, NULL, 0);
	watch(n, keepalive < PING_LIMIT ? (int)keepalive : PING_LIMIT);
}

/* --- hellos --------------------------------------------------------------- */

static void
arm_hello(struct netlink *n)
{
	int64_t ms = n->a->conf.hello_interval * 1000, soon = UNWELCOME_MS;
	struct timeval tv;
	unsigned int i;
	uint32_t r;

	/* whatever happens comes by here, at the latest with the next hello:
	 * that it goes on wakes nobody */
	proc_watchdog();
	for (i = 1; i < n->unwelcome && soon < ms; i++)
		soon *= 2;
	if (n->unwelcome > 0 && soon < ms)
		ms = soon;

	evutil_secure_rng_get_bytes(&r, sizeof(r));
	ms += ms * ((int64_t)(r % 201) - 100) / 1000;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = (ms % 1000) * 1000;
	timer_start(n->hello, &tv);
}

void
netlink_hello(struct netlink *n)
{
	struct buf b;
	struct err e;

	if (n == NULL || !n->up || n->stopping)
		return;
	renewed_keep(&n->renewed);
	err_clear(&e);
	buf_init(&b, 32768);
	fault_point("netlink.hello");
	if (hello_build(n->a, n->connection, &b, &e) == 0)
		(void)ipc_chan_send(n->chan, MSG_NET_HELLO, 0, b.data, b.len);
	else
		log_error("hello why=%s", log_quote(e.msg));
	buf_release(&b);
	n->unwelcome++;
	arm_hello(n);
}

static void
on_hello_timer(evutil_socket_t fd, short what, void *arg)
{
	struct netlink *n = arg;

	jobs_rest(n->a->jobs);
	if (n->unwelcome > 0 || !n->up)
		netlink_check(n);
	if (!n->up) {
		arm_hello(n);
		return;
	}
	hello_refresh(n->a);
	netlink_hello(n);
}

/* --- messages of net ------------------------------------------------------ */

static int
got_up(struct netlink *n, struct rd *r)
{
	n->connection = rd_u64(r);
	if (!rd_done(r))
		return ERR_INVALID;
	log_info("relay_up host=%s port=%u", log_quote(n->relay.host),
	    (unsigned int)n->relay.port);
	snprintf(n->peer, sizeof(n->peer), "%s:%u", n->relay.host,
	    (unsigned int)n->relay.port);
	n->a->counts.connections++;
	n->up = true;
	n->up_ms = clock_mono_ms();
	n->backoff = 0;
	n->unwelcome = 0;
	netlink_hello(n);
	sender_up(n->a->sender, true);
	return 0;
}

static void
count_taken(struct netlink *n)
{
	if (clock_mono_ms() - n->up_ms >= TAKEN_MS)
		n->taken = 0;
	else if (++n->taken % TAKEN_TOLD == 0)
		log_warn("relay_taken times=%u why=%s", n->taken,
		    log_quote("no connection lasts for a minute: the relay, "
			      "or another agent with this one's identity, a "
			      "copy of its state"));
}

static int
got_down(struct netlink *n, struct rd *r)
{
	char why[MSG_TEXT_MAX];

	rd_field_str(r, why, sizeof(why));
	if (!rd_done(r))
		return ERR_INVALID;
	log_info("relay_down why=%s", log_quote(why));
	if (n->up && !n->stopping)
		count_taken(n);
	n->up = false;
	n->unwelcome = 0;
	if (!n->stopping)
		arm_hello(n);
	sender_up(n->a->sender, false);
	return 0;
}

/* Net says of what purpose an envelope is; a lie makes its signatures bad. */
static bool
source_known(uint8_t source)
{
	return source == EXAM_ALL || source == EXAM_IN || source == EXAM_POLICY;
}

static int
got_envelope(struct netlink *n, struct rd *r)
{
	uint8_t source = rd_u8(r);

	if (r->bad || !source_known(source))
		return ERR_INVALID;
	n->heard_ms = clock_mono_ms();
	if (n->a->stopping)
		return 0;
	if (source == EXAM_POLICY)
		return chain_submit(n->a->chain, r->p, r->left);
	return exam_submit(n->a->exam, (enum exam_source)source, r->p, r->left);
}

static int
got_cancel(struct netlink *n, struct rd *r)
{
	uint8_t source = rd_u8(r);

	if (r->bad || source > EXAM_IN)
		return ERR_INVALID;
	n->heard_ms = clock_mono_ms();
	return exam_submit_cancel(n->a->exam, r->p, r->left);
}

static int
got_announce(struct netlink *n, struct rd *r)
{
	uint8_t source = rd_u8(r);
	bool wanted;
	struct id id;

	rd_copy(r, id.b, ID_LEN);
	if (!rd_done(r) || !source_known(source))
		return ERR_INVALID;
	n->heard_ms = clock_mono_ms();
	wanted = source == EXAM_POLICY
	    ? chain_wanted(n->a->chain, &id)
	    : exam_wanted(n->a->exam, (enum exam_source)source, &id);
	if (wanted && !n->a->stopping)
		(void)ipc_chan_send(n->chan, MSG_NET_PULL, 0, id.b, ID_LEN);
	return 0;
}

static int
got_ack(struct netlink *n, struct rd *r)
{
	uint16_t part, of;
	uint8_t complete;
	struct id id;

	rd_copy(r, id.b, ID_LEN);
	part = rd_u16(r);
	of = rd_u16(r);
	complete = rd_u8(r);
	if (!rd_done(r) || complete > 1)
		return ERR_INVALID;
	n->heard_ms = clock_mono_ms();
	fault_point("netlink.ack");
	sender_acked(n->a->sender, &id, part, of, complete == 1);
	return 0;
}

static int
got_welcome(struct netlink *n, struct rd *r)
{
	int64_t server_ms = (int64_t)rd_u64(r), off;
	uint32_t spread = rd_u32(r);
	uint8_t protocol = rd_u8(r);
	unsigned int left_out;

	if (!rd_done(r))
		return ERR_INVALID;
	n->heard_ms = clock_mono_ms();
	if (n->unwelcome > 0) {
		n->unwelcome = 0;
		arm_hello(n);
	}
	off = (clock_wall_ms() - server_ms) / 1000;
	log_debug("welcome spread_ms=%u protocol=%u", (unsigned int)spread,
	    (unsigned int)protocol);
	/* a server knows no later protocol than its own and serves none */
	if ((protocol < WIRE_PROTOCOL || protocol > WIRE_PROTOCOL + 1) &&
	    seldom(&n->said_protocol, &left_out))
		log_warn("protocol server=%u own=%d why=%s",
		    (unsigned int)protocol, WIRE_PROTOCOL,
		    log_quote(protocol < WIRE_PROTOCOL
			    ? "it does not serve this agent: update the server"
			    : "it does not serve this agent: update the "
			      "agent"));
	/* only said, never believed: the platform does not set our clock */
	if ((off > 300 || off < -300) && seldom(&n->said_clock, &left_out))
		log_warn("clock differs_seconds=%lld left_out=%u",
		    (long long)off, left_out);
	return 0;
}

static int
got_ready(struct netlink *n, struct rd *r)
{
	rd_field_str(r, n->sandbox, sizeof(n->sandbox));
	if (!rd_done(r))
		return ERR_INVALID;
	log_debug("net_ready sandbox=%s", log_quote(n->sandbox));
	watch(n, 0);
	if (!n->stopping)
		arm_hello(n);
	return 0;
}

static int
got_pong(struct netlink *n)
{
	watch(n, 0);
	return 0;
}

/* --- what enrolment and renewal brought -------------------------------------
 */

static int
read_text(struct agent *a, const char *name, struct buf *out, struct err *e)
{
	int rc = state_read(&a->state, name, out, e);

	if (rc == ERR_NOTFOUND)
		return err_set(e, rc,
		    "%s/%s is missing: run 'mig-agent enrol' first",
		    a->conf.state, name);
	return rc;
}

static int
add_file(struct agent *a, const char *name, struct buf *out, struct err *e)
{
	struct buf b;
	int rc;

	buf_init(&b, FILE_MAX);
	rc = read_text(a, name, &b, e);
	if (rc == 0)
		buf_add_field(out, b.data, b.len);
	renewed_wipe(&b);
	return rc;
}

int
netlink_certificates(
    struct agent *a, const struct renewed *r, struct buf *out, struct err *e)
{
	int rc;

	if (renewed_add(r, &a->state, out))
		return 0;
	rc = add_file(a, "ca.crt", out, e);
	if (rc == 0)
		rc = add_file(a, "agent.crt", out, e);
	return rc == 0 ? add_file(a, "agent.key", out, e) : rc;
}

int
netlink_relay(struct agent *a, struct tunnel_peer *ret, struct err *e)
{
	const char *text;
	struct buf b;
	int rc;

	if (a->conf.relay != NULL)
		return agent_conf_peer("relay", a->conf.relay, ret, e);
	buf_init(&b, 512);
	rc = read_text(a, "relay", &b, e);
	if (rc == 0) {
		while (b.len > 0 && b.data[b.len - 1] == '\n')
			b.len--;
		text = buf_str(&b);
		rc = text == NULL ? ERR_TOOBIG
				  : agent_conf_peer("relay", text, ret, e);
	}
	buf_release(&b);
	return rc;
}

/* --- the certificate's renewal -------------------------------------------- */

/* net has made a key; what identity says of it is signed here. */
static int
got_renew(struct netlink *n, struct rd *r)
{
	static const struct id no_token;
	uint8_t sig[IDENTITY_SIG_LEN];
	struct agent *a = n->a;
	const uint8_t *spki;
	struct buf doc, b;
	size_t len;

	spki = rd_field(r, 1024, &len);
	if (!rd_done(r))
		return ERR_INVALID;
	buf_init(&doc, 8192);
	buf_init(&b, 16384);
	enroldoc_write(a->facts.name, &no_token, spki, len, &doc);
	identity_sign(&a->state.who, PURPOSE_ENROL, doc.data, doc.len, sig);
	buf_add(&b, a->state.who.pub, IDENTITY_PUB_LEN);
	buf_add(&b, sig, sizeof(sig));
	buf_add(&b, doc.data, doc.len);
	if (b.error == 0 && doc.error == 0)
		(void)ipc_chan_send(n->chan, MSG_NET_RENEWAL, 0, b.data, b.len);
	log_info("renewal why=%s", log_quote("the certificate ends soon"));
	buf_release(&b);
	buf_release(&doc);
	return 0;
}

/* It has made a connection with them, as it says. */
static int
got_renewed(struct netlink *n, const struct rd *r)
{
	struct buf b;
	struct err e;

	err_clear(&e);
	buf_init(&b, 65536);
	buf_add_field(&b, n->relay.host, strlen(n->relay.host));
	if (netlink_certificates(n->a, &n->renewed, &b, &e) == 0 &&
	    b.error == 0)
		renewed_take(&n->renewed, &b, r);
	else
		log_error("renewed why=%s", log_quote(e.msg));
	renewed_wipe(&b);
	return 0;
}

static void
on_bad_certificate(void *arg)
{
	struct netlink *n = arg;

	if (n->pid > 0)
		kill(n->pid, SIGKILL);
}

/* The server started anew, or takes answers again: none waits any longer. */
static int
got_roll(struct netlink *n, struct rd *r)
{
	uint8_t hello = rd_u8(r);

	if (!rd_done(r) || hello > 1)
		return ERR_INVALID;
	n->heard_ms = clock_mono_ms();
	if (n->up && hello)
		netlink_hello(n);
	if (n->up)
		sender_up(n->a->sender, true);
	return 0;
}

/* A net that was taken over could keep the monitor busy with it. */
static bool
floods(struct netlink *n, uint16_t type)
{
	if ((type != MSG_NET_UP && type != MSG_NET_ROLL &&
		type != MSG_NET_RENEW && type != MSG_NET_RENEWED) ||
	    bucket_take(&n->costly, (int64_t)COSTLY_BURST * COSTLY_US,
		COSTLY_US, clock_mono_ms()) == 0)
		return false;
	log_warn("net_floods message=%s effect=%s", msg_name(type),
	    log_quote("ended, to be started anew"));
	return true;
}

static int
on_msg(struct ipc_chan *c, const struct ipc_msg *msg, void *arg)
{
	struct netlink *n = arg;
	struct rd r;

	if (msg_allowed(ROLE_NET, ROLE_MONITOR, msg) != 0 ||
	    floods(n, msg->type))
		return ERR_INVALID;
	rd_init(&r, msg->body, msg->len);
	switch (msg->type) {
	case MSG_NET_READY:
		return got_ready(n, &r);
	case MSG_NET_UP:
		return got_up(n, &r);
	case MSG_NET_DOWN:
		return got_down(n, &r);
	case MSG_NET_ENVELOPE:
		return got_envelope(n, &r);
	case MSG_NET_CANCEL:
		return got_cancel(n, &r);
	case MSG_NET_ANNOUNCE:
		return got_announce(n, &r);
	case MSG_NET_ACK:
		return got_ack(n, &r);
	case MSG_NET_WELCOME:
		return got_welcome(n, &r);
	case MSG_NET_RENEW:
		return got_renew(n, &r);
	case MSG_NET_RENEWED:
		return got_renewed(n, &r);
	case MSG_NET_ROLL:
		return got_roll(n, &r);
	case MSG_NET_PONG:
		return got_pong(n);
	}
	return ERR_INVALID;
}

static void
on_close(struct ipc_chan *c, const char *why, void *arg)
{
	struct netlink *n = arg;

	if (!n->stopping)
		log_warn("net_channel why=%s", log_quote(why));
	if (n->pid > 0)
		kill(n->pid, SIGKILL);
}

/* --- its life ------------------------------------------------------------- */

static void
set_timer(struct netlink *n, int seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	timer_start(n->timer, &tv);
}

static void
on_exit_net(pid_t pid, int status, void *arg)
{
	struct netlink *n = arg;

	n->pid = -1;
	n->up = false;
	ipc_chan_free(n->chan);
	n->chan = NULL;
	n->unwelcome = 0;
	event_del(n->hello);
	watch(n, 0);
	sender_up(n->a->sender, false);
	if (n->stopping) {
		agent_idle_check(n->a);
		return;
	}
	log_warn("net_ended status=%s", log_quote(proc_status_text(status)));
	n->backoff = n->backoff == 0 ? 1 : n->backoff * 2;
	if (n->backoff > BACKOFF_MAX)
		n->backoff = BACKOFF_MAX;
	set_timer(n, n->backoff);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct netlink *n = arg;
	struct err e;

	err_clear(&e);
	if (n->stopping) {
		if (n->pid > 0)
			kill(n->pid, SIGKILL);
		return;
	}
	proc_watchdog();
	if (start_net(n, &e) != 0) {
		log_error("net_start why=%s", log_quote(e.msg));
		set_timer(n, BACKOFF_MAX);
	}
}

/* Their form was checked when the configuration was read. */
static void
add_proxies(const struct agent_conf *c, struct buf *out)
{
	struct tunnel_peer p;
	size_t i;

	buf_add_u8(out, (uint8_t)c->proxies->n);
	for (i = 0; i < c->proxies->n; i++) {
		if (agent_conf_peer("proxy", c->proxies->items[i], &p, NULL) !=
		    0)
			continue;
		buf_add_field(out, p.host, strlen(p.host));
		buf_add_u16(out, p.port);
	}
}

/* The number before this net's first connection. Higher than any that was
 * used, whatever the clock did meanwhile: the highest that this net may use is
 * on the disk before it makes its first. A disk that takes nothing does not
 * silence the agent; then the clock has to do. */
static uint64_t
reserve_connections(struct netlink *n)
{
	struct agent *a = n->a;
	int64_t now = clock_wall_ms();
	uint64_t last = now > 0 ? (uint64_t)now : 0, stored = 0;
	char text[32];
	struct buf b;
	struct err e;
	int rc;

	err_clear(&e);
	buf_init(&b, sizeof(text));
	rc = state_read(&a->state, CONNECTION_FILE, &b, &e);
	if (rc == 0 && b.len > 0 && b.data[b.len - 1] == '\n')
		b.len--;
	if (rc == 0 &&
	    (buf_str(&b) == NULL ||
		str_u64(buf_str(&b), 0, CONNECTION_MAX, &stored) != 0))
		rc = err_set(&e, ERR_INVALID, "it holds no number");
	buf_release(&b);
	if (rc != 0 && rc != ERR_NOTFOUND)
		log_error("connection_read path=%s/" CONNECTION_FILE " why=%s",
		    a->conf.state, log_quote(e.msg));
	if (stored > last)
		last = stored;
	if (n->reserved > last)
		last = n->reserved;
	n->reserved = last + NETLINK_CONNECTIONS;
	snprintf(text, sizeof(text), "%" PRIu64 "\n", n->reserved);
	err_clear(&e);
	if (state_write(&a->state, CONNECTION_FILE, text, strlen(text), &e) !=
	    0)
		log_error("connection_write why=%s", log_quote(e.msg));
	return last;
}

static int
tell_start(struct netlink *n, struct err *e)
{
	struct agent *a = n->a;
	struct buf b;
	int rc;

	buf_init(&b, 65536);
	buf_add_u32(&b, a->uid);
	buf_add_u32(&b, a->gid);
	buf_add_u8(&b, (uint8_t)agent_conf_log(&a->conf));
	buf_add(&b, a->state.who.id.b, ID_LEN);
	buf_add_field(&b, n->relay.host, strlen(n->relay.host));
	buf_add_u16(&b, n->relay.port);
	buf_add_u16(&b, (uint16_t)a->conf.keepalive);
	buf_add_u64(&b, reserve_connections(n));
	add_proxies(&a->conf, &b);
	rc = netlink_certificates(a, &n->renewed, &b, e);
	if (rc == 0)
		rc = b.error != 0
		    ? err_set(e, b.error, "certificates: %s", err_text(b.error))
		    : ipc_chan_send(n->chan, MSG_NET_START, 0, b.data, b.len);
	renewed_wipe(&b);
	return rc;
}

static int
spawn(struct netlink *n, int fd, struct err *e)
{
	char path[PATH_MAX];
	char *argv[2] = { path, NULL };
	struct proc_fd fds[3] = { { fd, PROC_IPC_FD } };
	bool tunnel = n->a->conf.proxies->n > 0;
	struct proc_spawn s;
	int rc = proc_sibling("mig-agent-net", path, sizeof(path), e);
	int listener = -1, file = -1;

	if (rc == 0 && tunnel)
		rc = tunnel_listen(n->a->state.dir, &listener, &file, e);
	if (rc != 0)
		return rc;
	fds[1] = (struct proc_fd){ listener, NET_LISTEN_FD };
	fds[2] = (struct proc_fd){ file, NET_FILE_FD };
	memset(&s, 0, sizeof(s));
	s.path = path;
	s.exec_fd = -1;
	s.argv = argv;
	s.fds = fds;
	s.nfds = tunnel ? 3 : 1;
	s.keep_stderr = true;
	s.own_group = true;
	rc = proc_spawn(&s, &n->pid, e);
	if (tunnel) {
		close(listener);
		close(file);
	}
	return rc;
}

static int
start_net(struct netlink *n, struct err *e)
{
	int fd[2], rc;

	rc = netlink_relay(n->a, &n->relay, e);
	if (rc == 0)
		rc = ipc_pair(fd, e);
	if (rc != 0)
		return rc;
	rc = spawn(n, fd[1], e);
	close(fd[1]);
	if (rc != 0) {
		close(fd[0]);
		return rc;
	}
	n->chan = ipc_chan_new(
	    n->a->base, fd[0], MSG_DOC_MAX, QUEUE_MAX, on_msg, on_close, n);
	rc = proc_loop_watch(n->a->loop, n->pid, on_exit_net, n);
	if (rc != 0) {
		/* nobody would say that it has gone */
		kill(n->pid, SIGKILL);
		(void)waitpid(n->pid, NULL, 0);
		n->pid = -1;
		ipc_chan_free(n->chan);
		n->chan = NULL;
		return err_set(e, rc, "net: %s", err_text(rc));
	}
	rc = n->chan == NULL ? err_set(e, ERR_NOMEM, "out of memory")
			     : tell_start(n, e);
	if (rc != 0)
		kill(n->pid, SIGKILL);
	else if (n->paused)
		ipc_chan_pause(n->chan, true);
	if (rc == 0)
		watch(n, START_LIMIT);
	return rc;
}

int
netlink_start(struct agent *a, struct netlink **ret, struct err *e)
{
	struct netlink *n = calloc(1, sizeof(*n));
	int rc;

	if (n == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	n->a = a;
	n->pid = -1;
	renewed_init(&n->renewed, a, on_bad_certificate, n);
	n->timer = event_new(a->base, -1, 0, on_timer, n);
	n->hello = event_new(a->base, -1, 0, on_hello_timer, n);
	n->watch = event_new(a->base, -1, 0, on_watch, n);
	rc = n->timer == NULL || n->hello == NULL || n->watch == NULL
	    ? err_set(e, ERR_NOMEM, "out of memory")
	    : start_net(n, e);
	if (rc != 0) {
		netlink_free(n);
		return rc;
	}
	*ret = n;
	return 0;
}

void
netlink_stop(struct netlink *n)
{
	if (n == NULL || n->stopping)
		return;
	n->stopping = true;
	event_del(n->hello);
	watch(n, 0);
	if (n->chan != NULL)
		(void)ipc_chan_send(n->chan, MSG_NET_STOP, 0, NULL, 0);
	set_timer(n, STOP_SECONDS);
}

void
netlink_free(struct netlink *n)
{
	if (n == NULL)
		return;
	if (n->pid > 0) {
		proc_loop_unwatch(n->a->loop, n->pid);
		kill(n->pid, SIGKILL);
	}
	ipc_chan_free(n->chan);
	renewed_release(&n->renewed);
	if (n->timer != NULL)
		event_free(n->timer);
	if (n->hello != NULL)
		event_free(n->hello);
	if (n->watch != NULL)
		event_free(n->watch);
	free(n);
}

const char *
netlink_peer(const struct netlink *n)
{
	return n != NULL ? n->peer : "";
}

bool
netlink_up(const struct netlink *n)
{
	return n != NULL && n->pid > 0;
}

int64_t
netlink_heard_ms(const struct netlink *n)
{
	return n == NULL ? 0 : n->heard_ms;
}

void
netlink_pause(struct netlink *n, bool pause)
{
	if (n == NULL)
		return;
	if (n->paused == pause)
		return;
	n->paused = pause;
	if (n->watching > 0)
		watch(n, n->watching);
	if (n->chan != NULL)
		ipc_chan_pause(n->chan, pause);
}

void
netlink_part(struct netlink *n, const struct id *id, uint16_t part, uint16_t of,
    const void *data, size_t len)
{
	struct buf b;

	if (n == NULL || !n->up)
		return;
	buf_init(&b, WIRE_MESSAGE_MAX);
	buf_add(&b, id->b, ID_LEN);
	buf_add_u16(&b, part);
	buf_add_u16(&b, of);
	buf_add_field(&b, data, len);
	if (b.error == 0)
		(void)ipc_chan_send(n->chan, MSG_NET_PART, 0, b.data, b.len);
	buf_release(&b);
}
