/* SPDX-License-Identifier: MPL-2.0 */
/* Each allocation of OpenSSL's until TLS can begin fails once, in a process of
 * its own: that is said, and nothing follows a null pointer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/x509.h"

#include "base/err.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/ssl.h>

#define EACH 120 /* all of its start; then every so many */
#define STEP 97
#define LAST 50

static unsigned int seen, failing;
static bool and_all_after;

static bool
fails(void)
{
	return ++seen == failing ||
	    (and_all_after && failing != 0 && seen > failing);
}

static void *
get(size_t size, const char *file, int line)
{
	return fails() ? NULL : malloc(size);
}

static void *
get_more(void *p, size_t size, const char *file, int line)
{
	return fails() ? NULL : realloc(p, size);
}

static void
give_back(void *p, const char *file, int line)
{
	free(p);
}

enum { WHOLE, SAID, MUTE };

static int
pinned_tls(void)
{
	struct id ca = { { 1 } };
	SSL_CTX *tls = NULL;
	struct err e;

	err_clear(&e);
	if (x509_pinned_ctx(&ca, "host", &tls, &e) != 0)
		return e.msg[0] != '\0' && tls == NULL ? SAID : MUTE;
	SSL_CTX_free(tls);
	return seen < failing ? WHOLE : SAID;
}

static int
new_key(void)
{
	struct err e;
	struct buf b;
	int rc;

	err_clear(&e);
	buf_init(&b, X509_PEM_MAX);
	rc = x509_key_new(&b, &e);
	buf_release(&b);
	if (rc != 0)
		return e.msg[0] != '\0' ? SAID : MUTE;
	return seen < failing ? WHOLE : SAID;
}

/* That it is no key would have it replaced. OpenSSL tries several readers: one
 * failure alone does not matter. */
static int
read_key(void)
{
	struct buf key, der;
	unsigned int at = failing;
	struct err e;
	int rc;

	failing = 0;
	buf_init(&key, X509_PEM_MAX);
	buf_init(&der, X509_PEM_MAX);
	if (x509_key_new(&key, NULL) != 0 || buf_str(&key) == NULL)
		return MUTE;
	seen = 0;
	failing = at;
	and_all_after = true;
	err_clear(&e);
	rc = x509_key_spki(buf_str(&key), &der, &e);
	buf_release(&key);
	buf_release(&der);
	/* of the last few OpenSSL does not say that they failed */
	if (rc == ERR_INVALID && seen > at + LAST)
		return MUTE;
	return rc == 0 && seen < failing ? WHOLE : SAID;
}

static void
sweep(int (*go)(void), const char *name)
{
	int status = 0;
	unsigned int n;
	pid_t pid;

	for (n = 1;; n += n < EACH ? 1 : STEP) {
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) { /* cmocka goes on after a crash */
			signal(SIGSEGV, SIG_DFL);
			failing = n;
			if (CRYPTO_set_mem_functions(
				get, get_more, give_back) != 1)
				_exit(MUTE);
			_exit(go());
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status) == MUTE)
			fail_msg("%s: allocation %u: status %#x", name, n,
			    (unsigned int)status);
		if (WEXITSTATUS(status) == WHOLE)
			break;
	}
	assert_true(n > 100);
}

static void
test_pinned_tls(void **state)
{
	sweep(pinned_tls, "a context");
}

static void
test_new_key(void **state)
{
	sweep(new_key, "a key");
}

static void
test_read_key(void **state)
{
	sweep(read_key, "reading a key");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pinned_tls),
		cmocka_unit_test(test_new_key),
		cmocka_unit_test(test_read_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
