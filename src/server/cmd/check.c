/* SPDX-License-Identifier: MPL-2.0 */
/*
 * mig-server check: what an operator wants to know before the start and while
 * it runs. It only reads. One line for each thing: ok, warning or problem, what
 * it is, and what to do; --json has the same. The worst decides the exit
 * status: 0, 1 (a warning), 2 (a problem).
 */
#include "server/cmd/check.h"

#include "action/policy.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "base/str.h"
#include "crypto/x509.h"
#include "server/cmd/admin.h"
#include "server/cmd/commands.h"
#include "server/lock.h"
#include "server/store/actions.h"
#include "server/store/people.h"
#include "server/store/policies.h"
#include "server/store/upkeep.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#define DAY 86400
#define JSON_MAX 65536
#define CLOCK_EARLIEST INT64_C(1767225600) /* 2026-01-01 */
#define DESCRIPTORS_BESIDE 64              /* of an agent's each */
#define OPEN_PORT_FILE "/proc/sys/net/ipv4/ip_unprivileged_port_start"
#define NEXT_POLICY "mig policy edit -expires 365d, then sign and push"

static const char *const words[] = { "ok", "warning", "problem" };

void
check_say(
    struct check *k, enum check_how how, const char *what, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (how > k->worst)
		k->worst = how;
	if (!k->json) {
		printf("%-8s %-14s %s\n", words[how], what, text);
		return;
	}
	jsonw_object(&k->w, NULL);
	jsonw_str(&k->w, "status", words[how]);
	jsonw_str(&k->w, "what", what);
	jsonw_str(&k->w, "text", text);
	jsonw_object_end(&k->w);
}

/* --- certificates -------------------------------------------------------- */

static int
read_pem(struct check *k, enum server_file f, struct buf *out, struct err *e)
{
	char path[SERVER_PATH_MAX];
	int rc;

	buf_init(out, (size_t)8 * X509_PEM_MAX);
	server_file(&k->conf, f, path);
	rc = server_file_of_relay(f) ? file_read_foreign(path, out, e)
				     : file_read(path, out, e);
	if (rc == 0 && buf_str(out) == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	return (rc);
}

/* renews: by the server itself, so what is late is a fault. */
static void
check_end(struct check *k, const char *name, const char *pem, bool renews)
{
	int64_t end = 0, now = clock_wall_ms() / 1000;
	char when[RFC3339_LEN + 1];

	if (x509_expires(pem, &end, NULL) != 0) {
		check_say(k, CHECK_PROBLEM, name, "its end cannot be read");
		return;
	}
	rfc3339_format(end, when);
	if (end <= now)
		check_say(k, CHECK_PROBLEM, name, "ended at %s: %s", when,
		    renews ? "run `mig-server renew`"
			   : "run `mig-server renew --ca`");
	else if (end - now < (renews ? 30 : 365) * (int64_t)DAY)
		check_say(k, CHECK_WARNING, name, "ends at %s: %s", when,
		    renews ? "the server should have renewed it: look for"
			     " certificate_renewal in its log, or run"
			     " `mig-server renew`"
			   : "run `mig-server renew --ca`");
	else
		check_say(k, CHECK_OK, name, "good until %s", when);
}

/* The CA's key is made once. */
static void
say_pair(struct check *k, const char *name, enum server_file key, bool renews,
    const struct err *e)
{
	char path[SERVER_PATH_MAX];

	check_say(k, CHECK_PROBLEM, name, "%s (and its certificate): %s%s",
	    server_file(&k->conf, key, path), e->msg,
	    e->code == ERR_NOMEM ? ""
		: renews         ? ": run `mig-server renew`"
				 : ": restore a backup (mig-server restore)");
}

static void
check_pair(struct check *k, const char *name, enum server_file cert,
    enum server_file key, const char *ca)
{
	struct buf c, p;
	struct err e;

	buf_init(&p, 1);
	if (read_pem(k, cert, &c, &e) != 0 || read_pem(k, key, &p, &e) != 0)
		check_say(k, CHECK_PROBLEM, name, "%s", e.msg);
	else if (x509_pair(buf_str(&c), buf_str(&p), &e) != 0)
		say_pair(k, name, key, ca != NULL, &e);
	else if (ca != NULL && x509_signed_by(buf_str(&c), ca, &e) == ERR_AUTH)
		check_say(k, CHECK_PROBLEM, name,
		    "not good under the CA (%s): run `mig-server renew`",
		    e.msg);
	else if (ca != NULL && !x509_has_names(buf_str(&c), k->conf.name))
		check_say(k, CHECK_WARNING, name,
		    "lacks a name of '%s': run `mig-server renew`",
		    k->conf.name);
	else
		check_end(k, name, buf_str(&c), ca != NULL);
	if (p.data != NULL)
		explicit_bzero(p.data, p.cap);
	buf_release(&p);
	buf_release(&c);
}

static void
check_certificates(struct check *k)
{
	struct buf ca, copy;
	struct err e;

	buf_init(&copy, 1);
	if (read_pem(k, FILE_CA_CERT, &ca, &e) != 0) {
		check_say(k, CHECK_PROBLEM, "ca", "%s", e.msg);
	} else {
		check_pair(k, "ca", FILE_CA_CERT, FILE_CA_KEY, NULL);
		check_pair(k, "certificate", FILE_TLS_CERT, FILE_TLS_KEY,
		    buf_str(&ca));
		check_pair(k, "relay's", FILE_RELAY_CERT, FILE_RELAY_KEY,
		    buf_str(&ca));
		if (read_pem(k, FILE_RELAY_CA, &copy, &e) != 0)
			check_say(k, CHECK_PROBLEM, "relay's", "%s", e.msg);
		else if (copy.len != ca.len ||
		    memcmp(copy.data, ca.data, ca.len) != 0)
			check_say(k, CHECK_PROBLEM, "relay's",
			    "relay/ca.crt is not ca/ca.crt: run `mig-server"
			    " renew`");
	}
	buf_release(&copy);
	buf_release(&ca);
}

/* --- the store ----------------------------------------------------------- */

static void
check_policy(struct check *k, struct store *s)
{
	int64_t now = clock_wall_ms() / 1000;
	char when[RFC3339_LEN + 1];
	struct policy p;
	struct buf text;
	struct err e;
	int rc;

	buf_init(&text, POLICY_MAX);
	rc = store_policy_get(s, NULL, NULL, &text, &e);
	if (rc == ERR_NOTFOUND) {
		check_say(k, CHECK_WARNING, "policy",
		    "none is set: agents need one from a file (mig-server"
		    " policy set FILE)");
	} else if (rc != 0 || policy_parse(text.data, text.len, &p, &e) != 0) {
		check_say(k, CHECK_PROBLEM, "policy", "%s", e.msg);
	} else {
		rfc3339_format(p.expires, when);
		if (p.expires <= now)
			check_say(k, CHECK_PROBLEM, "policy",
			    "version %llu expired at %s, agents refuse all but"
			    " the next one: " NEXT_POLICY,
			    (unsigned long long)p.version, when);
		else
			check_say(k,
			    p.expires - now < 30 * (int64_t)DAY ? CHECK_WARNING
								: CHECK_OK,
			    "policy", "version %llu, until %s%s",
			    (unsigned long long)p.version, when,
			    p.expires - now < 30 * (int64_t)DAY
				? ": " NEXT_POLICY
				: "");
	}
	buf_release(&text);
}

static int
count_one(const struct store_investigator *i, void *arg)
{
	*(size_t *)arg += i->role == PERSON_ADMIN;
	return (0);
}

/* What the server removes by itself is no trouble. */
static void
check_bound(struct check *k, struct store *s)
{
	int64_t now = clock_wall_ms() / 1000;
	struct prune_cut cut = { .now = now,
		.results_before = now - k->conf.keep_results,
		.actions_before = now - k->conf.keep_actions,
		.bytes_max = k->conf.store_max };
	struct prune_count n;
	struct err e;

	if (cut.bytes_max == 0)
		return;
	if (store_prune_count(s, &cut, &n, &e) != 0)
		check_say(k, CHECK_PROBLEM, "store", "%s", e.msg);
	else if (n.over)
		check_say(k, CHECK_PROBLEM, "store",
		    "larger than store_max (%llu MiB), and nothing more in it"
		    " may go: no new action is taken: raise it",
		    (unsigned long long)(cut.bytes_max >> 20));
}

static void
check_rows(struct check *k, struct store *s)
{
	int64_t agents = store_agents_total(s), actions, answers;
	struct store_size size;
	size_t admins = 0;
	struct err e;
	int schema = 0, rc;

	actions = store_actions_total(s);
	answers = store_answers_total(s);
	if ((rc = store_quick_check(s, &e)) != 0)
		check_say(k, CHECK_PROBLEM, "store", "%s%s", e.msg,
		    rc == ERR_NOMEM
			? ""
			: ": restore a backup (mig-server restore)");
	else if (store_schema_of(s, &schema, &e) != 0 ||
	    store_size(s, &size, &e) != 0)
		check_say(k, CHECK_PROBLEM, "store", "%s", e.msg);
	else if (agents < 0 || actions < 0 || answers < 0)
		check_say(k, CHECK_PROBLEM, "store",
		    "what is in it cannot be counted: out of memory, locked,"
		    " or tables are missing");
	else
		check_say(k, CHECK_OK, "store",
		    "sound, schema %d, %llu MiB, %lld agents, %lld actions,"
		    " %lld answers",
		    schema, (unsigned long long)(size.bytes >> 20),
		    (long long)agents, (long long)actions, (long long)answers);
	if (store_investigators(s, count_one, &admins, &e) == 0 && admins == 0)
		check_say(k, CHECK_WARNING, "people",
		    "there is no administrator: mig-server investigator add"
		    " FILE --role admin");
	k->agents = agents < 0 ? 0 : agents;
	check_bound(k, s);
	check_policy(k, s);
}

static void
check_store(struct check *k)
{
	char path[SERVER_PATH_MAX];
	struct store *s;
	struct err e;

	server_file(&k->conf, FILE_DB, path);
	if (store_open(path, STORE_READ, &s, &e) != 0) {
		check_say(k, CHECK_PROBLEM, "store", "%s", e.msg);
		return;
	}
	check_rows(k, s);
	store_close(s);
}

/* --- the machine --------------------------------------------------------- */

/* A bound that the disk ends before is none. */
static void
check_room(struct check *k, uint64_t free_bytes)
{
	uint64_t reserve = k->conf.disk_reserve, room;
	char path[SERVER_PATH_MAX];
	struct stat st;

	if (stat(server_file(&k->conf, FILE_DB, path), &st) != 0)
		return;
	room = (uint64_t)st.st_size +
	    (free_bytes > reserve ? free_bytes - reserve : 0);
	if (k->conf.store_max > room)
		check_say(k, CHECK_WARNING, "store_max",
		    "%llu MiB, but the disk has room for a store of %llu until"
		    " disk_reserve is reached and no new action taken: lower"
		    " it, or make room",
		    (unsigned long long)(k->conf.store_max >> 20),
		    (unsigned long long)(room >> 20));
}

static void
check_disk(struct check *k)
{
	uint64_t reserve = k->conf.disk_reserve, mib;
	struct statvfs v;

	if (statvfs(k->conf.state, &v) != 0) {
		check_say(k, CHECK_PROBLEM, "disk", "%s: %s", k->conf.state,
		    strerror(errno));
		return;
	}
	if ((v.f_flag & ST_RDONLY) != 0) {
		check_say(k, CHECK_PROBLEM, "disk",
		    "%s is on a read-only file system: mount it writable (its"
		    " log, dmesg, says why it is so)",
		    k->conf.state);
		return;
	}
	check_room(k, (uint64_t)v.f_bavail * v.f_frsize);
	mib = ((uint64_t)v.f_bavail * v.f_frsize) >> 20;
	if (mib < reserve >> 20)
		check_say(k, CHECK_PROBLEM, "disk",
		    "%llu MiB free is less than disk_reserve (%llu): no new"
		    " action%s is taken: make room, or mig-server prune",
		    (unsigned long long)mib,
		    (unsigned long long)(reserve >> 20),
		    mib < reserve >> 22 ? ", and no answer," : "");
	else
		check_say(k,
		    mib < (4 * reserve) >> 20 ? CHECK_WARNING : CHECK_OK,
		    "disk", "%llu MiB free%s", (unsigned long long)mib,
		    mib < (4 * reserve) >> 20 ? ": that is little" : "");
	if (v.f_favail > 0 && v.f_favail < 1000)
		check_say(k, CHECK_WARNING, "disk", "only %llu inodes free",
		    (unsigned long long)v.f_favail);
}

static void
check_mosquitto(struct check *k)
{
	char text[256] = "", *end;
	char *argv[] = { k->conf.mosquitto, k->help, NULL };
	struct err e;

	if (access(k->conf.mosquitto, X_OK) != 0) {
		check_say(k, CHECK_PROBLEM, "mosquitto",
		    "%s: %s: install the package mosquitto, or set mosquitto"
		    " in the configuration",
		    k->conf.mosquitto, strerror(errno));
		return;
	}
	if (check_first_line(argv, text, sizeof(text), &e) != 0 ||
	    strncmp(text, "mosquitto version ", 18) != 0) {
		check_say(k, CHECK_PROBLEM, "mosquitto",
		    "%s is not mosquitto, or cannot be run%s%s: install the"
		    " package mosquitto, or set mosquitto in the configuration",
		    k->conf.mosquitto, text[0] == '\0' ? ": " : "",
		    text[0] == '\0' ? e.msg : "");
		return;
	}
	if ((end = strchr(text, '\n')) != NULL)
		*end = '\0';
	if (strncmp(text, "mosquitto version 1.", 20) == 0)
		check_say(k, CHECK_PROBLEM, "mosquitto",
		    "%s is too old: 2.0 or newer is needed", text);
	else
		check_say(k, CHECK_OK, "mosquitto", "%s", text);
}

/* What one process needs: the relay one an agent, the API one a connection. Of
 * the server that runs, or of one that is started from here. */
static void
check_limits(struct check *k)
{
	int64_t want =
	    k->agents > k->conf.connections ? k->agents : k->conf.connections;
	struct rlimit rl;

	if (k->agents > k->conf.relay_agents)
		check_say(k, CHECK_WARNING, "relay_agents",
		    "%lld, and there are %lld agents: messages may be dropped"
		    " and come late: raise it",
		    (long long)k->conf.relay_agents, (long long)k->agents);
	want += DESCRIPTORS_BESIDE;
	if (want < k->conf.relay_agents)
		want = k->conf.relay_agents;
	if (prlimit(k->pid, RLIMIT_NOFILE, NULL, &rl) != 0)
		return;
	if (rl.rlim_max != RLIM_INFINITY && rl.rlim_max < (uint64_t)want)
		check_say(k, CHECK_WARNING, "descriptors",
		    "at most %llu %s, %lld are needed for relay_agents (%lld),"
		    " connections (%lld) and the agents there are (%lld):"
		    " raise LimitNOFILE in the unit, or lower these",
		    (unsigned long long)rl.rlim_max,
		    k->pid > 0 ? "for the server that runs" : "here",
		    (long long)want, (long long)k->conf.relay_agents,
		    (long long)k->conf.connections, (long long)k->agents);
	else
		check_say(k, CHECK_OK, "descriptors", "enough for %lld agents",
		    (long long)(k->conf.relay_agents > k->agents
			    ? k->conf.relay_agents
			    : k->agents));
}

/* What the kernel knows of NTP, adjtimex(2). No warning: not each program that
 * keeps a clock right tells the kernel. */
static bool
is_clock_kept(void)
{
	struct timex t = { .modes = 0 };

	return (adjtimex(&t) == -1 || (t.status & STA_UNSYNC) == 0);
}

static void
check_clock(struct check *k)
{
	char path[SERVER_PATH_MAX], now[RFC3339_LEN + 1];
	int64_t t = clock_wall_ms() / 1000;
	struct stat st;

	rfc3339_format(t, now);
	server_file(&k->conf, FILE_DB, path);
	if (t < CLOCK_EARLIEST ||
	    (stat(path, &st) == 0 && st.st_mtime > t + 3600))
		check_say(k, CHECK_PROBLEM, "clock",
		    "%s is earlier than the store's last change: set the"
		    " clock",
		    now);
	else
		check_say(k, CHECK_OK, "clock", "%s%s", now,
		    is_clock_kept()
			? ""
			: "; the kernel knows of nothing that keeps it right"
			  " (NTP)");
}

/* The first that needs no right; containers often say 0. */
static int64_t
first_open_port(void)
{
	uint64_t n = 1024;
	struct buf b;

	buf_init(&b, 64);
	if (file_read(OPEN_PORT_FILE, &b, NULL) == 0 && b.len > 1) {
		b.data[b.len - 1] = '\0';
		(void)str_u64((const char *)b.data, 0, 65536, &n);
	}
	buf_release(&b);
	return ((int64_t)n);
}

static void
check_ports(struct check *k)
{
	int64_t first = first_open_port();

	if (geteuid() == 0 && k->conf.relay_port < first)
		check_say(k, CHECK_PROBLEM, "relay_port",
		    "ports below %lld are root's, and the relay has no rights:"
		    " choose another, let the firewall redirect this one to it,"
		    " and say in relay_name what agents use",
		    (long long)first);
	if (!server_relay_is_named(&k->conf))
		check_say(k, CHECK_PROBLEM, "relay_name",
		    "the host of '%s' is none of name (%s): agents refuse the"
		    " relay's certificate: add it there and start the server"
		    " anew",
		    k->conf.relay_name, k->conf.name);
	check_port(k, "API", k->conf.listen, (int)k->conf.port);
	check_port(k, "relay", k->conf.relay_listen, (int)k->conf.relay_port);
}

static void
check_running(struct check *k)
{
	k->pid = server_lock_holder(&k->conf);
	if (k->pid > 0)
		check_say(k, CHECK_OK, "server", "runs (pid %d)", (int)k->pid);
	else
		check_say(k, CHECK_OK, "server", "does not run");
}

static void
check_all(struct check *k, const char *conf)
{
	struct stat st;
	struct err e;

	if (server_conf_load(conf, &k->conf, &e) != 0) {
		check_say(k, CHECK_PROBLEM, "configuration", "%s", e.msg);
		return;
	}
	check_say(k, CHECK_OK, "configuration", "%s",
	    conf != NULL ? conf : SERVER_CONF_PATH);
	check_running(k);
	if (geteuid() == 0 || stat(k->conf.state, &st) != 0 ||
	    st.st_uid == geteuid()) {
		check_files(k);
		check_certificates(k);
		check_store(k);
	} else {
		check_say(k, CHECK_WARNING, "rights",
		    "run it as root: files, certificates and the store were"
		    " not looked at");
	}
	check_disk(k);
	check_mosquitto(k);
	check_ports(k);
	check_limits(k);
	check_clock(k);
	server_conf_release(&k->conf);
}

int
command_check(const char *conf, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct check k = { .worst = CHECK_OK, .help = "-h" };
	struct buf out;
	int opt;

	while ((opt = getopt_long_only(argc, argv, "", options, NULL)) != -1) {
		if (opt != 'j')
			return (admin_usage("check"));
		k.json = true;
	}
	if (optind != argc)
		return (admin_usage("check"));
	log_init("server", LOG_LEVEL_ERROR, NULL);
	buf_init(&out, JSON_MAX);
	jsonw_init(&k.w, &out);
	jsonw_object(&k.w, NULL);
	jsonw_array(&k.w, "checks");
	check_all(&k, conf);
	jsonw_array_end(&k.w);
	jsonw_str(&k.w, "status", words[k.worst]);
	jsonw_object_end(&k.w);
	if (k.json && out.error != 0) {
		fprintf(stderr, "mig-server: check: %s\n", err_text(out.error));
		k.worst = CHECK_PROBLEM;
	} else if (k.json)
		printf("%.*s\n", (int)out.len, (const char *)out.data);
	buf_release(&out);
	return (k.worst);
}
