/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The parent keeps four children: the relay and the roles core, api and ca.
 * It parses nothing that comes from outside; all that a role may ask of it is
 * that the relay reads its access list again, or is started anew as it is
 * silent, and another channel to the core where one broke. A child that ends is
 * started anew, after a pause that doubles while it ends within two seconds; a
 * role that is new is connected to its peers by fresh channels, so the others
 * go on.
 *
 * A role that hangs does not end by itself. Each is asked every minute whether
 * it lives, and killed when it says nothing to three questions in a row; one
 * that starts has ten times as long. What counts is the questions, not the
 * clock: who was stopped together with the parent, as a machine or a container
 * is, gets all the time of its own. The relay is asked by the core, which says
 * so when it hears nothing.
 *
 *              +--- mosquitto
 *   parent ----+--- core ---- api
 *              +      `------ ca
 *              `--- (channels handed over by MSG_PEER)
 *
 * The executable is opened once: a role is always of the parent's version.
 */
#include "server/parent.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "crypto/x509.h"
#include "ipc/ipc.h"
#include "proc/proc.h"
#include "proc/timer.h"
#include "server/certs.h"
#include "server/cmd/backup.h"
#include "server/lock.h"
#include "server/messages.h"
#include "server/relay.h"
#include "server/role.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 30000
#define LIVED_LONG_MS 2000
#define STOP_MS 10000
#define PORT_TRIES 5 /* the api of before may still end */
#define CERTIFICATES_S 3600
#define HANGS_MS 180000 /* unless the service manager has another measure */
#define ASK_MAX 3
#define START_ASK_MAX 30
#define CA_RELAY_DAYS 30
#define NOFILE_WANTED 1048576

enum child_kind { CHILD_RELAY, CHILD_CORE, CHILD_API, CHILD_CA, CHILDREN };

struct child {
	struct parent *p;
	enum child_kind kind;
	const char *name;
	pid_t pid;             /* 0: not running */
	struct ipc_chan *chan; /* roles */
	int64_t started, backoff;
	bool served;  /* roles: was ready once */
	bool ready;   /* this process was */
	int silent;   /* questions since its last word */
	bool unheard; /* relay: the core says so, since the last question */
	struct event *restart;
};

struct parent {
	const struct server_conf *conf;
	struct buf conf_text;
	struct proc_loop *loop;
	struct event *give_up, *certificates, *hangup, *watchdog;
	int exe, lock;
	int64_t relay_started;
	int64_t relay_ca_end; /* unix s, of the CA that the relay has read */
	bool stopping, told_ready, failed;
	int no_port; /* how often the api could not listen */
	struct child children[CHILDREN];
};

static void child_start(struct child *ch);
static void connect_child(struct child *ch);

static void
start_later(struct child *ch)
{
	struct timeval tv = { ch->backoff / 1000, (ch->backoff % 1000) * 1000 };

	timer_start(ch->restart, &tv);
}

static void
back_off(struct child *ch)
{
	ch->backoff *= 2;
	if (ch->backoff > BACKOFF_MAX_MS)
		ch->backoff = BACKOFF_MAX_MS;
}

static void
on_restart(evutil_socket_t fd, short what, void *arg)
{
	struct child *ch = arg;

	fault_point("parent.restart");
	if (!ch->p->stopping)
		child_start(ch);
}

static bool
all_ended(const struct parent *p)
{
	size_t i;

	for (i = 0; i < CHILDREN; i++)
		if (p->children[i].pid != 0)
			return (false);
	return (true);
}

/* In turn: the roles first, so that the core's last words reach the relay;
 * the relay when nobody is left. */
static void
stop_next(struct parent *p)
{
	struct child *relay = &p->children[CHILD_RELAY];
	size_t i;

	for (i = CHILD_CORE; i < CHILDREN; i++)
		if (p->children[i].pid != 0)
			return;
	if (relay->pid != 0)
		kill(relay->pid, SIGTERM);
}

/* Who waits for the start learns at once that it fails, not when his patience
 * ends. A server that has served goes on trying. */
static bool
gives_up(struct child *ch, int status)
{
	struct parent *p = ch->p;

	if (ch->kind != CHILD_API || p->told_ready || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != API_NO_PORT || ++p->no_port < PORT_TRIES)
		return (false);
	log_error("start error=\"the API cannot listen, see above:"
		  " `mig-server check` looks at listen and port\"");
	p->failed = true;
	return (true);
}

static void on_term(void *arg);

static void
on_exit_child(pid_t pid, int status, void *arg)
{
	struct child *ch = arg;
	struct parent *p = ch->p;

	ch->pid = 0;
	ipc_chan_free(ch->chan);
	ch->chan = NULL;
	if (p->stopping) {
		stop_next(p);
		if (all_ended(p))
			proc_loop_stop(p->loop);
		return;
	}
	/* It served: investigators shall not wait for it long. */
	if (clock_mono_ms() - ch->started > LIVED_LONG_MS)
		ch->backoff = BACKOFF_MIN_MS;
	log_error("ended child=%s pid=%d how=%s restart_ms=%lld", ch->name,
	    (int)pid, log_quote(proc_status_text(status)),
	    (long long)ch->backoff);
	if (gives_up(ch, status)) {
		on_term(p);
		return;
	}
	start_later(ch);
	back_off(ch);
}

/* Who waits for the start to be done can ask from then on. */
static void
on_ready(struct child *ch)
{
	struct parent *p = ch->p;
	size_t i;

	ch->served = ch->ready = true;
	ch->silent = 0;
	for (i = CHILD_CORE; i < CHILDREN; i++)
		if (!p->children[i].served)
			return;
	if (!p->told_ready)
		proc_notify("READY=1");
	p->told_ready = true;
}

static int
on_role_msg(struct ipc_chan *c, const struct ipc_msg *m, void *arg)
{
	struct child *ch = arg;
	struct child *relay = &ch->p->children[CHILD_RELAY];

	if (m->type == MSG_READY && m->len == 0) {
		on_ready(ch);
		return (0);
	}
	if (m->type == MSG_PONG && m->len == 0) {
		ch->silent = 0;
		if (ch->kind == CHILD_CORE && !relay->unheard) {
			relay->ready = true;
			relay->silent = 0;
		}
		return (0);
	}
	if (m->type == MSG_PEER_LOST && ch->kind != CHILD_CORE && m->len == 0) {
		connect_child(ch);
		return (0);
	}
	if (ch->kind != CHILD_CORE || m->len != 0)
		return (ERR_INVALID);
	if (m->type == MSG_RELAY_SILENT) {
		relay->unheard = true;
		return (0);
	}
	if (m->type != MSG_RELAY_RELOAD)
		return (ERR_INVALID);
	if (relay->pid != 0)
		kill(relay->pid, SIGHUP);
	return (0);
}

static void
on_role_close(struct ipc_chan *c, const char *why, void *arg)
{
	struct child *ch = arg;

	/* Its end follows; if it does not, it is of no use any more. When all
	 * end it has until on_give_up(): the core still commits what waits. */
	ipc_chan_free(ch->chan);
	ch->chan = NULL;
	if (ch->pid != 0 && !ch->p->stopping)
		kill(ch->pid, SIGKILL);
}

/* --- certificates ------------------------------------------------------- */

static void
send_tls(struct parent *p)
{
	struct child *api = &p->children[CHILD_API];
	struct buf cert, key, out;
	struct err e;

	buf_init(&out, MSG_BODY_MAX);
	if (certs_read_api(p->conf, &cert, &key, &e) != 0) {
		log_error("certificate error=%s", log_quote(e.msg));
	} else if (api->chan != NULL) {
		buf_add_field(&out, cert.data, cert.len);
		buf_add_field(&out, key.data, key.len);
		if (out.error == 0)
			ipc_chan_send(api->chan, MSG_TLS, 0, out.data, out.len);
		if (out.data != NULL)
			explicit_bzero(out.data, out.cap);
	}
	if (key.data != NULL)
		explicit_bzero(key.data, key.cap);
	buf_release(&out);
	buf_release(&key);
	buf_release(&cert);
}

static int64_t
ca_end(struct parent *p)
{
	int64_t end = 0;
	struct buf ca;

	if (certs_read_ca(p->conf, &ca, NULL) == 0)
		x509_expires(buf_str(&ca), &end, NULL);
	buf_release(&ca);
	return (end);
}

/* The relay reads its certificate anew while it runs, its CA at its start
 * only: it goes on with the old one, whose key is the same, until shortly
 * before that ends. */
static void
look_at_relays_ca(struct parent *p)
{
	int64_t left = p->relay_ca_end - clock_wall_ms() / 1000;
	const struct child *relay = &p->children[CHILD_RELAY];

	if (relay->pid == 0 || left > CA_RELAY_DAYS * 86400 ||
	    ca_end(p) <= p->relay_ca_end)
		return;
	log_info("relay_restart why=\"its CA certificate ends, there is a new"
		 " one\"");
	p->relay_ca_end = INT64_MAX;
	kill(relay->pid, SIGTERM);
}

static void
send_ca(struct parent *p)
{
	static const enum child_kind who[] = { CHILD_CORE, CHILD_CA };
	struct buf ca, out;
	size_t i;

	buf_init(&out, MSG_BODY_MAX);
	if (certs_read_ca(p->conf, &ca, NULL) == 0 &&
	    buf_add_field(&out, ca.data, ca.len) == 0)
		for (i = 0; i < 2; i++)
			if (p->children[who[i]].chan != NULL)
				ipc_chan_send(p->children[who[i]].chan, MSG_CA,
				    0, out.data, out.len);
	buf_release(&out);
	buf_release(&ca);
}

/* Makes those anew that need it; who holds them is told, always or when one
 * was made. */
static void
look_at_certificates(struct parent *p, bool tell)
{
	struct child *core = &p->children[CHILD_CORE];
	struct err e;
	int n = 0;

	if (certs_renew(p->conf, false, &n, &e) != 0)
		log_error("certificate_renewal error=%s", log_quote(e.msg));
	look_at_relays_ca(p);
	if (n == 0 && !tell)
		return;
	send_ca(p);
	send_tls(p);
	if (core->chan != NULL)
		ipc_chan_send(core->chan, MSG_RELAY_RELOAD, 0, NULL, 0);
}

static void
on_certificates(evutil_socket_t fd, short what, void *arg)
{
	look_at_certificates(arg, false);
}

/* SIGHUP: certificates and the relay's files are read again. */
static void
on_hangup(evutil_socket_t sig, short what, void *arg)
{
	struct parent *p = arg;

	log_info("reload");
	if (!p->stopping)
		look_at_certificates(p, true);
}

static int
send_peer(struct child *to, enum server_role peer, int fd)
{
	uint8_t role = (uint8_t)peer;
	int rc = ipc_chan_send_fd(to->chan, MSG_PEER, 0, &role, 1, fd);

	if (rc != 0)
		close(fd);
	return (rc);
}

static void
connect_roles(
    struct child *a, enum server_role ra, struct child *b, enum server_role rb)
{
	struct err e;
	int fd[2], rc;

	if (a->chan == NULL || b->chan == NULL)
		return;
	if ((rc = ipc_pair(fd, &e)) == 0) {
		rc = send_peer(a, rb, fd[0]);
		if (send_peer(b, ra, fd[1]) != 0 || rc != 0)
			rc = err_set(&e, ERR_NOMEM, "cannot hand it over");
	}
	if (rc == 0)
		return;
	/* Tried once more when that role is there again. */
	log_error("channel error=%s", log_quote(e.msg));
	kill(b->pid, SIGKILL);
}

static int
send_conf(struct child *ch)
{
	struct buf out;
	int rc;

	buf_init(&out, MSG_BODY_MAX);
	buf_add_field(&out, ch->p->conf_text.data, ch->p->conf_text.len);
	buf_add_u64(&out, (uint64_t)ch->p->relay_started);
	rc = out.error;
	if (rc == 0)
		rc = ipc_chan_send(ch->chan, MSG_CONF, 0, out.data, out.len);
	buf_release(&out);
	return (rc);
}

static int
role_spawn(struct child *ch, struct err *e)
{
	char prog[] = "mig-server", opt[] = "--role", role[16];
	char *argv[] = { prog, opt, role, NULL };
	struct proc_fd map;
	struct proc_spawn s = { .exec_fd = ch->p->exe,
		.argv = argv,
		.fds = &map,
		.nfds = 1,
		.keep_stderr = true };
	int fd[2], rc;

	ch->ready = false;
	ch->silent = 0;
	snprintf(role, sizeof(role), "%s", ch->name);
	if ((rc = ipc_pair(fd, e)) != 0)
		return (rc);
	map.from = fd[1];
	map.to = PROC_IPC_FD;
	rc = proc_spawn(&s, &ch->pid, e);
	close(fd[1]);
	if (rc != 0) {
		close(fd[0]);
		return (rc);
	}
	ch->chan = ipc_chan_new(proc_loop_base(ch->p->loop), fd[0], 4096,
	    MSG_BODY_MAX, on_role_msg, on_role_close, ch);
	if (ch->chan == NULL || send_conf(ch) != 0) {
		kill(ch->pid, SIGKILL);
		return (0); /* and is started anew when it has ended */
	}
	return (0);
}

static void
connect_child(struct child *ch)
{
	struct parent *p = ch->p;
	struct child *core = &p->children[CHILD_CORE];

	if (ch->kind == CHILD_CORE || ch->kind == CHILD_API)
		connect_roles(
		    core, ROLE_CORE, &p->children[CHILD_API], ROLE_API);
	if (ch->kind == CHILD_CORE || ch->kind == CHILD_CA)
		connect_roles(core, ROLE_CORE, &p->children[CHILD_CA], ROLE_CA);
}

static int
relay_start(struct child *ch, struct err *e)
{
	struct child *core = &ch->p->children[CHILD_CORE];
	struct buf out;
	int rc;

	ch->ready = ch->unheard = false;
	ch->silent = 0;
	if ((rc = relay_spawn(ch->p->conf, ch->p->exe, &ch->pid, e)) != 0)
		return (rc);
	ch->p->relay_started = clock_wall_ms();
	ch->p->relay_ca_end = ca_end(ch->p);
	if (core->chan == NULL)
		return (0);
	buf_init(&out, 16);
	buf_add_u64(&out, (uint64_t)ch->p->relay_started);
	/* One that does not know would believe that all are still there: the
	 * next one is told at its start. */
	if (out.error != 0 ||
	    ipc_chan_send(core->chan, MSG_RELAY, 0, out.data, out.len) != 0)
		kill(core->pid, SIGKILL);
	buf_release(&out);
	return (0);
}

static void
child_start(struct child *ch)
{
	struct err e;
	int rc;

	ch->started = clock_mono_ms();
	if (ch->kind == CHILD_RELAY)
		rc = relay_start(ch, &e);
	else
		rc = role_spawn(ch, &e);
	if (rc != 0) {
		log_error(
		    "start child=%s error=%s", ch->name, log_quote(e.msg));
		start_later(ch);
		back_off(ch);
		return;
	}
	proc_loop_watch(ch->p->loop, ch->pid, on_exit_child, ch);
	fault_point("parent.started");
	if (ch->kind != CHILD_RELAY)
		connect_child(ch);
}

static void
on_give_up(evutil_socket_t fd, short what, void *arg)
{
	struct parent *p = arg;
	size_t i;

	for (i = 0; i < CHILDREN; i++)
		if (p->children[i].pid != 0)
			kill(p->children[i].pid, SIGKILL);
}

static void
on_term(void *arg)
{
	struct timeval tv = { STOP_MS / 1000, 0 };
	struct parent *p = arg;
	size_t i;

	log_info("stopping");
	proc_notify("STOPPING=1");
	p->stopping = true;
	timer_start(p->give_up, &tv);
	for (i = CHILD_CORE; i < CHILDREN; i++)
		if (p->children[i].pid != 0)
			kill(p->children[i].pid, SIGTERM);
	stop_next(p);
	if (all_ended(p))
		proc_loop_stop(p->loop);
}

/* The relay needs a descriptor an agent. */
static void
raise_descriptors(void)
{
	struct rlimit rl = { NOFILE_WANTED, NOFILE_WANTED };

	if (setrlimit(RLIMIT_NOFILE, &rl) == 0 ||
	    getrlimit(RLIMIT_NOFILE, &rl) != 0)
		return;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	log_info("descriptors max=%llu", (unsigned long long)rl.rlim_max);
}

/* How long any process of the server may be silent. */
static int64_t
hangs_ms(void)
{
	int64_t ms = proc_watchdog_ms();

	return (ms >= ASK_MAX ? ms : HANGS_MS);
}

static void
end_if_silent(struct child *ch)
{
	int max = ch->ready ? ASK_MAX : START_ASK_MAX;

	if (ch->silent < max)
		return;
	log_error("hangs child=%s pid=%d seconds=%lld effect=%s", ch->name,
	    (int)ch->pid, (long long)(hangs_ms() * max / ASK_MAX / 1000),
	    log_quote("killed, to be started anew"));
	kill(ch->pid, SIGKILL);
}

static void
ask_role(struct child *ch)
{
	end_if_silent(ch);
	ch->silent++;
	/* a full channel is no excuse: it is one that is not read */
	if (ch->ready)
		(void)ipc_chan_send(ch->chan, MSG_PING, 0, NULL, 0);
}

/* What the core heard of it since the question before. */
static void
count_relay(struct child *ch)
{
	if (ch->unheard && ch->pid != 0) {
		ch->silent++;
		end_if_silent(ch);
	}
	ch->unheard = false;
}

static void
on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	struct parent *p = arg;
	size_t i;

	proc_watchdog();
	if (!p->stopping)
		count_relay(&p->children[CHILD_RELAY]);
	for (i = CHILD_CORE; i < CHILDREN && !p->stopping; i++)
		if (p->children[i].chan != NULL)
			ask_role(&p->children[i]);
}

/* The service manager hears of the parent, and the parent of the roles, three
 * times in the time that they wait. */
static void
init_watchdog(struct parent *p)
{
	int64_t ms = hangs_ms() / ASK_MAX;
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	p->watchdog =
	    event_new(proc_loop_base(p->loop), -1, EV_PERSIST, on_watchdog, p);
	if (p->watchdog == NULL || event_add(p->watchdog, &tv) != 0)
		fatal("start error=\"out of memory\"");
}

static void
init_events(struct parent *p)
{
	static const struct timeval often = { CERTIFICATES_S, 0 };
	struct event_base *base = proc_loop_base(p->loop);

	p->give_up = event_new(base, -1, 0, on_give_up, p);
	p->certificates = event_new(base, -1, EV_PERSIST, on_certificates, p);
	p->hangup = evsignal_new(base, SIGHUP, on_hangup, p);
	if (p->give_up == NULL || p->certificates == NULL ||
	    p->hangup == NULL || event_add(p->certificates, &often) != 0 ||
	    event_add(p->hangup, NULL) != 0)
		fatal("start error=\"out of memory\"");
	init_watchdog(p);
}

static void
init_children(struct parent *p)
{
	static const char *const names[] = { "relay", "core", "api", "ca" };
	struct event_base *base = proc_loop_base(p->loop);
	size_t i;

	for (i = 0; i < CHILDREN; i++) {
		struct child *ch = &p->children[i];

		ch->p = p;
		ch->kind = (enum child_kind)i;
		ch->name = names[i];
		ch->backoff = BACKOFF_MIN_MS;
		ch->restart = event_new(base, -1, 0, on_restart, ch);
		if (ch->restart == NULL)
			fatal("start error=\"out of memory\"");
	}
}

/* What cannot be made anew, as what is the API's and the relay's can. A role
 * that does not find it would be restarted for ever. */
static void
check_files(const struct server_conf *c)
{
	static const enum server_file files[] = { FILE_DB, FILE_CA_CERT,
		FILE_CA_KEY };
	char path[SERVER_PATH_MAX];
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (access(server_file(c, files[i], path), F_OK) != 0 &&
		    errno == ENOENT)
			fatal("start error=\"%s is missing: restore a backup,"
			      " or run mig-server init for a new platform\"",
			    path);
}

/* What roles that were killed left of writing files, and backups. */
static void
remove_stale(const struct server_conf *c)
{
	static const enum server_file files[] = { FILE_CA_CERT, FILE_CA_KEY,
		FILE_TLS_CERT, FILE_TLS_KEY, FILE_RELAY_CA, FILE_RELAY_CERT,
		FILE_RELAY_KEY, FILE_RELAY_CONF, FILE_RELAY_ACL,
		FILE_RELAY_CRL };
	char path[SERVER_PATH_MAX];
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		file_remove_stale(server_file(c, files[i], path));
	backup_remove_left(c->state);
}

int
parent_run(const struct server_conf *c)
{
	struct parent p = { .conf = c };
	struct err e;
	size_t i;
	int rc, n;

	check_files(c);
	if (!server_relay_is_named(c))
		log_warn("relay_name why=%s",
		    log_quote("its host is none of name: agents refuse the "
			      "relay's certificate"));
	if (server_lock(c, &p.lock, &e) != 0)
		fatal("start error=%s", log_quote(e.msg));
	remove_stale(c);
	raise_descriptors();
	buf_init(&p.conf_text, 65536);
	if (conf_dump(
		server_conf_table, server_conf_entries, c, &p.conf_text) != 0)
		fatal("start error=\"the configuration is too large\"");
	p.exe = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (p.exe < 0)
		fatal("start error=\"cannot open /proc/self/exe\"");
	if ((p.loop = proc_loop_new(on_term, &p)) == NULL)
		fatal("start error=\"cannot make an event loop\"");
	init_events(&p);
	init_children(&p);
	if (certs_renew(c, false, &n, &e) != 0)
		log_error("certificate_renewal error=%s", log_quote(e.msg));
	if (certs_have_crl(c, &e) != 0 || relay_write(c, &e) != 0)
		fatal("relay error=%s", log_quote(e.msg));
	for (i = 0; i < CHILDREN; i++)
		child_start(&p.children[i]);
	rc = proc_loop_run(p.loop);
	for (i = 0; i < CHILDREN; i++)
		event_free(p.children[i].restart);
	event_free(p.give_up);
	event_free(p.certificates);
	event_free(p.hangup);
	event_free(p.watchdog);
	proc_loop_free(p.loop);
	close(p.exe);
	buf_release(&p.conf_text);
	server_unlock(p.lock);
	log_info("stopped");
	return (rc != 0 || p.failed ? 1 : 0);
}
