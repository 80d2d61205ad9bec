/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The libraries that roles use must do their honest work inside the profile
 * of that role: OpenSSL, SQLite and Jansson in COMPUTE, Vectorscan, PCRE2-JIT
 * and threads' absence in WORKER_READ, libmosquitto over libevent in NET.
 */
#include "sandbox/sandbox.h"

#include "base/err.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <event2/event.h>
#include <jansson.h>
#include <mosquitto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <sqlite3.h>

#define TEST_UID 64321

typedef bool job(void);

static struct sockaddr_in listener;

static bool
use_openssl(void)
{
	static const uint8_t text[] = "signed";
	uint8_t sig[64], digest[32], random[32];
	size_t siglen = sizeof(sig);
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok;

	ok = key != NULL && ctx != NULL &&
	    EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestSign(ctx, sig, &siglen, text, sizeof(text)) == 1;
	EVP_MD_CTX_reset(ctx);
	ok = ok && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestVerify(ctx, sig, siglen, text, sizeof(text)) == 1 &&
	    EVP_Q_digest(
		NULL, "SHA256", NULL, text, sizeof(text), digest, NULL) == 1 &&
	    RAND_bytes(random, sizeof(random)) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return ok;
}

static bool
use_sqlite(void)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	bool ok;

	ok = sqlite3_open(":memory:", &db) == SQLITE_OK &&
	    sqlite3_exec(db,
		"CREATE TABLE t(a); INSERT INTO t VALUES "
		"('{\"b\":\"c\"}')",
		NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db,
		"SELECT count(*) FROM t WHERE a->>'b' LIKE 'c%' ORDER BY 1", -1,
		&st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW && sqlite3_column_int(st, 0) == 1;
	sqlite3_finalize(st);
	sqlite3_close(db);
	return ok;
}

static bool
use_jansson(void)
{
	json_t *j = json_loads("{\"a\": [1, 2, {\"b\": null}]}", 0, NULL);
	bool ok = j != NULL && json_array_size(json_object_get(j, "a")) == 3;

	json_decref(j);
	return ok;
}

static bool
use_pcre2(void)
{
	int no;
	size_t at;
	pcre2_code *re = pcre2_compile(
	    (PCRE2_SPTR) "a(b+)c", PCRE2_ZERO_TERMINATED, 0, &no, &at, NULL);
	pcre2_match_data *m = pcre2_match_data_create(10, NULL);
	uint32_t jit = 0;

	pcre2_config(PCRE2_CONFIG_JIT, &jit);
	return re != NULL && m != NULL &&
	    (jit == 0 || pcre2_jit_compile(re, PCRE2_JIT_COMPLETE) == 0) &&
	    pcre2_match(re, (PCRE2_SPTR) "xxabbbc", 7, 0, 0, m, NULL) == 2;
}

static int
count_match(unsigned id, unsigned long long from, unsigned long long to,
    unsigned flags, void *arg)
{
	int *n = arg;

	(*n)++;
	return 0;
}

/* Loaded inside the sandbox, as a question needs it. */
static bool
use_vectorscan(void)
{
	int (*valid)(void);
	int (*compile)(
	    const char *, unsigned, unsigned, const void *, void **, void **);
	int (*alloc)(const void *, void **);
	int (*scan)(const void *, const char *, unsigned, unsigned, void *,
	    int (*)(unsigned, unsigned long long, unsigned long long, unsigned,
		void *),
	    void *);
	void *hs = dlopen("libhs.so.5", RTLD_NOW), *db = NULL, *e = NULL;
	void *scratch = NULL;
	int n = 0;

	if (hs == NULL)
		return true; /* not installed: nothing to try */
	*(void **)&valid = dlsym(hs, "hs_valid_platform");
	*(void **)&compile = dlsym(hs, "hs_compile");
	*(void **)&alloc = dlsym(hs, "hs_alloc_scratch");
	*(void **)&scan = dlsym(hs, "hs_scan");
	if (valid() != 0)
		return true;
	return compile("ab+c", 0, 1, NULL, &db, &e) == 0 &&
	    alloc(db, &scratch) == 0 &&
	    scan(db, "xabbcx", 6, 0, scratch, count_match, &n) == 0 && n == 1;
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct mosquitto *m = arg;

	mosquitto_loop_read(m, 1);
}

/* Connects to our listener, which says nothing: CONNECT goes out. */
static bool
use_mosquitto(void)
{
	struct event_base *base = event_base_new();
	struct timeval soon = { 0, 20000 };
	struct event *ev;
	struct mosquitto *m;
	char host[32];
	bool ok;

	mosquitto_lib_init();
	m = mosquitto_new("mig-test", true, NULL);
	if (base == NULL || m == NULL)
		return false;
	inet_ntop(AF_INET, &listener.sin_addr, host, sizeof(host));
	ok = mosquitto_connect(m, host, ntohs(listener.sin_port), 60) == 0;
	ev = event_new(base, mosquitto_socket(m), EV_READ, on_ready, m);
	ok = ok && ev != NULL && event_add(ev, NULL) == 0 &&
	    mosquitto_loop_misc(m) == 0 &&
	    event_base_loopexit(base, &soon) == 0 &&
	    event_base_dispatch(base) == 0;
	mosquitto_destroy(m);
	return ok;
}

static const struct {
	const char *name;
	enum sandbox_profile p;
	job *j;
} table[] = {
	{ "openssl", SANDBOX_COMPUTE, use_openssl },
	{ "sqlite", SANDBOX_COMPUTE, use_sqlite },
	{ "jansson", SANDBOX_COMPUTE, use_jansson },
	{ "openssl", SANDBOX_WORKER_READ, use_openssl },
	{ "jansson", SANDBOX_WORKER_READ, use_jansson },
	{ "pcre2 jit", SANDBOX_WORKER_READ, use_pcre2 },
	{ "vectorscan", SANDBOX_WORKER_READ, use_vectorscan },
	{ "openssl", SANDBOX_NET, use_openssl },
	{ "mosquitto", SANDBOX_NET, use_mosquitto },
	{ "mosquitto", SANDBOX_SERVER, use_mosquitto },
	{ "sqlite", SANDBOX_SERVER, use_sqlite },
};

static void
run_child(size_t i)
{
	struct sandbox s = { .profile = table[i].p,
		.uid = TEST_UID,
		.gid = TEST_UID,
		.all_paths_readable = table[i].p == SANDBOX_WORKER_READ };
	struct err e;

	if (s.profile == SANDBOX_NET)
		s.paths = sandbox_net_paths(&s.npaths);
	/* as the roles do: warmed up first */
	if (s.profile == SANDBOX_COMPUTE && !table[i].j())
		_exit(3);
	if (sandbox_enter(&s, &e) != 0) {
		fprintf(stderr, "%s\n", e.msg);
		_exit(2);
	}
	_exit(table[i].j() ? 0 : 1);
}

static void
test_table(void **state)
{
	int status;
	pid_t pid;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		fflush(NULL);
		pid = fork();
		if (pid == 0)
			run_child(i);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (status != 0)
			fail_msg("%s in profile %d: status 0x%x", table[i].name,
			    (int)table[i].p, status);
	}
}

static int
setup(void **state)
{
	socklen_t len = sizeof(listener);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	listener.sin_family = AF_INET;
	listener.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd < 0 ||
		bind(fd, (const struct sockaddr *)&listener, len) != 0 ||
		listen(fd, 16) != 0 ||
		getsockname(fd, (struct sockaddr *)&listener, &len) != 0
	    ? -1
	    : 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
