/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The command line, the loop, and what is told. While it runs, each line on
 * standard input is a command, and each is answered by one line of JSON:
 *
 *   stats        what there is now
 *   reset        all connections end by a TCP reset; tries come by spread
 *   answer N     from now on answers have N bytes (0: a small one)
 *   quit         so does the end of input
 */
#include "swarm.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/jsonw.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define TICK_MS 20
#define EVENTS 512
#define MESSAGE_MAX_OUT ((size_t)64 * 1024 * 1024)

static const char usage_text[] =
    "usage: swarm enrol -s URL -c CA-FINGERPRINT -t TOKEN -n N [-j JOBS] -o "
    "FILE\n"
    "       swarm run [-n N] [-p PARALLEL] [-a ANSWER-BYTES] [-k KEEPALIVE]\n"
    "                 [-i HELLO-INTERVAL] [-m MUTE] [-s STUCK] [-u JUNK]\n"
    "                 [-e ENDLESS] [-g GREEDY] FILE\n";

static const char answer_json[] =
    "{\"foundanything\":true,\"success\":true,\"elements\":{\"s1\":[{"
    "\"file\":\"/etc/passwd\",\"search\":{\"paths\":[\"/etc/passwd\"],"
    "\"names\":[\"^passwd$\"],\"options\":{\"maxdepth\":0,\"maxerrors\":0,"
    "\"matchall\":true,\"macroal\":false,\"mismatch\":null,"
    "\"matchlimit\":0}},\"fileinfo\":{\"size\":1279,\"mode\":\"-rw-r--r--\","
    "\"lastmodified\":\"2026-11-25 18:41:11.046711093 +0000 UTC\"}}]},"
    "\"statistics\":{\"filescount\":1,\"openfailed\":0,\"totalhits\":1,"
    "\"exectime\":\"4.956277ms\",\"engine\":\"pcre2 10.42 jit\","
    "\"directories\":0,\"bytesread\":0,\"notexamined\":{}},\"errors\":null}";

/* --- what is told ------------------------------------------------------------
 */

static void
add_tasks(struct swarm *s, struct jsonw *w)
{
	struct task *t;

	jsonw_object(w, "actions");
	for (t = s->tasks; t != NULL; t = t->next) {
		jsonw_object(w, id_hex(&t->id).s);
		jsonw_u64(w, "reached", t->reached);
		jsonw_u64(w, "again", t->again);
		jsonw_u64(w, "answered", t->answered);
		jsonw_u64(w, "stored", t->stored);
		jsonw_i64(w, "first_ms", t->first_ms);
		jsonw_i64(w, "last_ms", t->last_ms);
		jsonw_object_end(w);
	}
	jsonw_object_end(w);
}

static void
tell(struct swarm *s)
{
	const struct swarm_counts *c = &s->count;
	struct buf out;
	struct jsonw w;

	buf_init(&out, 1 << 20);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_u64(&w, "agents", s->n);
	jsonw_u64(&w, "up", s->up);
	jsonw_u64(&w, "welcomed", s->welcomed);
	jsonw_u64(&w, "connecting", s->connecting);
	jsonw_u64(&w, "connects", c->connects);
	jsonw_u64(&w, "failed", c->failed);
	jsonw_u64(&w, "losses", c->losses);
	jsonw_u64(&w, "hellos", c->hellos);
	jsonw_u64(&w, "pings", c->pings);
	jsonw_u64(&w, "parts", c->parts);
	jsonw_u64(&w, "parts_again", c->again);
	jsonw_u64(&w, "acks", c->acks);
	jsonw_u64(&w, "wants", c->wants);
	jsonw_u64(&w, "junk", c->junk);
	jsonw_u64(&w, "spread_ms", c->spread_max);
	jsonw_i64(&w, "waits", c->waits);
	jsonw_i64(&w, "wait_max_ms", c->wait_max);
	jsonw_i64(&w, "wait_sum_ms", c->wait_sum);
	add_tasks(s, &w);
	jsonw_object_end(&w);
	printf("%s\n", buf_str(&out));
	fflush(stdout);
	buf_release(&out);
}

/* --- commands
 * ------------------------------------------------------------------ */

static void
reset_all(struct swarm *s)
{
	size_t i;

	s->count.waits = s->count.wait_max = s->count.wait_sum = 0;
	for (i = 0; i < s->n; i++)
		if (s->members[i].state == CONN_UP)
			conn_drop(s, &s->members[i], true);
}

static void
command(struct swarm *s, char *line)
{
	if (strncmp(line, "answer ", 7) == 0)
		s->opt.answer_bytes = strtoul(line + 7, NULL, 10);
	else if (strcmp(line, "reset") == 0)
		reset_all(s);
	else if (strcmp(line, "quit") == 0)
		s->quit = true;
	else if (strcmp(line, "stats") != 0)
		fprintf(stderr, "swarm: what is '%s'?\n", line);
	tell(s);
}

static void
read_commands(struct swarm *s)
{
	static char line[256];
	static size_t len;
	ssize_t n = read(0, line + len, sizeof(line) - 1 - len);
	char *end;

	if (n <= 0) {
		s->quit = true;
		return;
	}
	len += (size_t)n;
	line[len] = '\0';
	while ((end = strchr(line, '\n')) != NULL) {
		*end = '\0';
		command(s, line);
		len -= (size_t)(end + 1 - line);
		memmove(line, end + 1, len + 1);
	}
	if (len == sizeof(line) - 1)
		len = 0;
}

/* --- the loop
 * -------------------------------------------------------------------- */

static void
tick(struct swarm *s)
{
	struct member *m;
	size_t i;

	for (i = 0; i < s->n; i++) {
		m = &s->members[i];
		if (m->state == CONN_UP) {
			member_tick(s, m);
			continue;
		}
		/* at the very first everyone comes as soon as there is room */
		if (m->state != CONN_OFF || s->now < m->due ||
		    (s->first && s->connecting >= s->opt.connecting))
			continue;
		conn_start(s, m);
	}
	if (s->first && s->up == s->n)
		s->first = false;
}

static void
loop(struct swarm *s)
{
	struct epoll_event ev[EVENTS];
	int64_t next = 0;
	int i, n;

	while (!s->quit) {
		s->now = clock_mono_ms();
		if (s->now >= next) {
			tick(s);
			next = s->now + TICK_MS;
		}
		n = epoll_wait(s->epoll, ev, EVENTS, TICK_MS);
		s->now = clock_mono_ms();
		for (i = 0; i < n; i++) {
			if (ev[i].data.ptr == NULL)
				read_commands(s);
			else
				conn_event(s, ev[i].data.ptr, ev[i].events);
		}
	}
}

static int
make_members(struct swarm *s, const struct swarm_file *f, struct err *e)
{
	static const char what[] = "the file of agents: damaged";
	unsigned char secret[crypto_sign_SECRETKEYBYTES];
	struct member *m;
	struct rd r;
	size_t i, kind = MEMBER_KINDS - 1, left = 0;

	s->n =
	    s->opt.agents == 0 || s->opt.agents > f->n ? f->n : s->opt.agents;
	s->members = calloc(s->n, sizeof(*s->members));
	if (s->members == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	rd_init(&r, f->first, f->len - (size_t)(f->first - f->p));
	left = s->opt.kinds[kind];
	for (i = 0; i < s->n; i++) {
		m = &s->members[i];
		rd_copy(&r, m->who.seed, IDENTITY_SEED_LEN);
		m->cert_len = rd_u16(&r);
		m->cert = rd_bytes(&r, m->cert_len);
		if (r.bad)
			return err_set(e, ERR_INVALID, what);
		crypto_sign_seed_keypair(m->who.pub, secret, m->who.seed);
		identity_id(m->who.pub, &m->who.id);
		m->fd = -1;
		/* the clock: newer than any before, as agents keep it */
		m->connection = (uint64_t)clock_wall_ms();
		buf_init(&m->in, WIRE_MESSAGE_MAX * 2);
		buf_init(&m->out, MESSAGE_MAX_OUT);
		/* the first ones are the rogues */
		while (left == 0 && kind > MEMBER_HONEST)
			left = s->opt.kinds[--kind];
		m->kind = (uint8_t)kind;
		if (kind > MEMBER_HONEST)
			left--;
	}
	return 0;
}

static int
options(struct swarm *s, int argc, char **argv)
{
	int c;
	size_t n;

	s->opt = (struct swarm_options){
		.connecting = 128, .keepalive = 60, .interval = 600
	};
	while ((c = getopt(argc, argv, "n:p:a:k:i:m:s:u:e:g:")) != -1) {
		n = c == '?' ? 0 : strtoul(optarg, NULL, 10);
		switch (c) {
		case 'n':
			s->opt.agents = n;
			break;
		case 'p':
			s->opt.connecting = n;
			break;
		case 'a':
			s->opt.answer_bytes = n;
			break;
		case 'k':
			s->opt.keepalive = (int64_t)n;
			break;
		case 'i':
			s->opt.interval = (int64_t)n;
			break;
		case 'm':
			s->opt.kinds[MEMBER_MUTE] = n;
			break;
		case 's':
			s->opt.kinds[MEMBER_STUCK] = n;
			break;
		case 'u':
			s->opt.kinds[MEMBER_JUNK] = n;
			break;
		case 'e':
			s->opt.kinds[MEMBER_ENDLESS] = n;
			break;
		case 'g':
			s->opt.kinds[MEMBER_GREEDY] = n;
			break;
		default:
			return 2;
		}
	}
	return optind + 1 == argc ? 0 : 2;
}

static int
run(int argc, char **argv)
{
	static struct swarm s;
	struct swarm_file f;
	struct rlimit lim;
	struct epoll_event in = { .events = EPOLLIN };
	const char *tmp = getenv("TMPDIR");
	struct err e;

	if (options(&s, argc, argv) != 0)
		return 2;
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
	err_clear(&e);
	s.first = true;
	s.started = s.now = clock_mono_ms();
	memcpy(s.answer_json, answer_json, sizeof(answer_json));
	s.epoll = epoll_create1(EPOLL_CLOEXEC);
	s.spool = open(tmp != NULL ? tmp : "/tmp", O_TMPFILE | O_RDWR, 0600);
	if (s.epoll < 0 || s.spool < 0 ||
	    epoll_ctl(s.epoll, EPOLL_CTL_ADD, 0, &in) != 0)
		return perror("swarm"), 1;
	if (swarm_file_open(argv[optind], &f, &e) != 0 ||
	    conn_setup(&s, &f, &e) != 0 || make_members(&s, &f, &e) != 0) {
		fprintf(stderr, "swarm: %s\n", e.msg);
		return 1;
	}
	loop(&s);
	return 0;
}

int
main(int argc, char **argv)
{
	int rc = 2;

	signal(SIGPIPE, SIG_IGN);
	if (sodium_init() < 0)
		return 1;
	if (argc > 1 && strcmp(argv[1], "enrol") == 0)
		rc = swarm_enrol(argc - 1, argv + 1);
	else if (argc > 1 && strcmp(argv[1], "run") == 0)
		rc = run(argc - 1, argv + 1);
	if (rc == 2)
		fputs(usage_text, stderr);
	return rc;
}
