/* SPDX-License-Identifier: MPL-2.0 */
/* What an ssh-agent may say, and how long it may take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/ssh/sshagent.h"

#include "base/clock.h"
#include "base/err.h"
#include "client/ssh/signer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void
add_key(struct buf *b, uint8_t first, const char *comment, size_t len)
{
	uint8_t y[32] = { first };
	struct buf blob;

	buf_init(&blob, 256);
	buf_add_field(&blob, SSHKEY_ED25519, strlen(SSHKEY_ED25519));
	buf_add_field(&blob, y, sizeof(y));
	buf_add_field(b, blob.data, blob.len);
	buf_add_field(b, comment, len);
	buf_release(&blob);
}

static void
test_list(void **state)
{
	struct sshagent_keys *keys = calloc(1, sizeof(*keys));
	struct buf b;
	struct err e;
	size_t n, i;

	assert_non_null(keys);
	buf_init(&b, SSHAGENT_ANSWER_MAX);
	buf_add_u8(&b, 12);
	buf_add_u32(&b, 3);
	add_key(&b, 1, "one", 3);
	buf_add_field(&b, "\0\0\0\7ssh-rsa", 11);
	buf_add_field(&b, "other", 5);
	add_key(&b, 2, "\x1b[2Jtwo\0\xff", 9);
	assert_int_equal(sshagent_read_list(b.data, b.len, keys, &e), 0);
	assert_int_equal(keys->n, 2);
	assert_int_equal(keys->nother, 1);
	assert_int_equal(keys->left, 0);
	assert_non_null(strstr(keys->other[0].why, "ssh-rsa: "));
	assert_string_equal(keys->other[0].fpr,
	    "SHA256:zBURJC4mpQ6j/DLIDJakTQANmGP4cn9OftElBH5WBrg");
	assert_string_equal(keys->list[0].comment, "one");
	assert_null(strchr(keys->list[1].comment, 0x1b));
	/* cut anywhere, or something behind it */
	for (n = 0; n < b.len; n++)
		assert_int_not_equal(
		    sshagent_read_list(b.data, n, keys, &e), 0);
	buf_add_u8(&b, 0);
	assert_int_equal(
	    sshagent_read_list(b.data, b.len, keys, &e), ERR_INVALID);
	/* more keys than anybody has */
	buf_clear(&b);
	buf_add_u8(&b, 12);
	buf_add_u32(&b, SSHAGENT_KEYS_MAX + 5);
	for (i = 0; i < SSHAGENT_KEYS_MAX + 5; i++)
		add_key(&b, (uint8_t)i, "", 0);
	assert_int_equal(sshagent_read_list(b.data, b.len, keys, &e), 0);
	assert_int_equal(keys->n, SSHAGENT_KEYS_MAX);
	assert_int_equal(keys->nother, 0);
	assert_int_equal(keys->left, 5);
	/* and more of other kinds */
	buf_clear(&b);
	buf_add_u8(&b, 12);
	buf_add_u32(&b, SSHAGENT_KEYS_MAX + 5);
	for (i = 0; i < SSHAGENT_KEYS_MAX + 5; i++) {
		buf_add_field(&b, "", 0);
		buf_add_field(&b, "", 0);
	}
	assert_int_equal(sshagent_read_list(b.data, b.len, keys, &e), 0);
	assert_int_equal(keys->nother, SSHAGENT_KEYS_MAX);
	assert_int_equal(keys->left, 5);
	buf_release(&b);
	free(keys);
}

/* kind, nonce, and the fields of the key; the rest of it does not matter. */
static void
add_certificate(
    struct buf *b, const char *kind, const char *application, size_t y_len)
{
	uint8_t y[32] = { 1 };

	buf_add_field(b, kind, strlen(kind));
	buf_add_field(b, "a nonce", 7);
	buf_add_field(b, y, y_len);
	if (application != NULL)
		buf_add_field(b, application, strlen(application));
}

/* It has the fingerprint of its key, as for ssh-add. */
static void
test_certificates(void **state)
{
	static const char end[] = "-cert-v01@openssh.com";
	char kind[64], of_key[SSHPUB_FPR_MAX], of_cert[SSHPUB_FPR_MAX];
	struct keymaterial m = { .len = 32, .num = { 1 } };
	struct buf b, cert;
	size_t i, n;

	buf_init(&b, 4096);
	buf_init(&cert, 4096);
	for (i = 0; i < 2; i++) {
		m.alg = i == 0 ? KEY_SSH_ED25519 : KEY_SSH_SK_ED25519;
		snprintf(kind, sizeof(kind), "%s%s",
		    i == 0 ? SSHKEY_ED25519 : "sk-ssh-ed25519", end);
		snprintf(m.app, sizeof(m.app), "ssh:x");
		buf_clear(&b);
		buf_clear(&cert);
		sshkey_write(&m, &b);
		add_certificate(&cert, kind, i == 0 ? NULL : "ssh:x", 32);
		sshpub_blob_fingerprint(b.data, b.len, of_key);
		sshpub_blob_fingerprint(cert.data, cert.len, of_cert);
		assert_string_equal(of_key, of_cert);
		for (n = 0; n < cert.len; n++) {
			sshpub_blob_fingerprint(cert.data, n, of_cert);
			assert_string_not_equal(of_key, of_cert);
		}
		buf_clear(&cert);
		add_certificate(&cert, kind, i == 0 ? NULL : "ssh:x", 31);
		sshpub_blob_fingerprint(cert.data, cert.len, of_cert);
		assert_string_not_equal(of_key, of_cert);
	}
	buf_release(&b);
	buf_release(&cert);
}

static void
test_signature(void **state)
{
	struct buf out;
	struct err e;

	buf_init(&out, 4096);
	assert_int_equal(
	    sshagent_read_signature("\x0e\0\0\0\3abc", 8, &out, &e), 0);
	assert_int_equal(out.len, 3);
	assert_int_equal(
	    sshagent_read_signature("\x05", 1, &out, &e), ERR_DENIED);
	assert_int_equal(
	    sshagent_read_signature("\x05x", 2, &out, &e), ERR_INVALID);
	assert_int_equal(
	    sshagent_read_signature("\x0e\0\0\0\0", 5, &out, &e), ERR_INVALID);
	assert_int_equal(
	    sshagent_read_signature("\x0e\0\0\0\3abcd", 9, &out, &e),
	    ERR_INVALID);
	assert_int_equal(
	    sshagent_read_signature("\x0e\xff\xff\xff\xff", 5, &out, &e),
	    ERR_INVALID);
	assert_int_equal(sshagent_read_signature("", 0, &out, &e), ERR_INVALID);
	assert_int_equal(out.len, 3);
	buf_release(&out);
}

/* It takes the question and stays silent, in the first byte or in the middle of
 * its answer; or does not even take it. */
static void
test_silence(void **state)
{
	char path[] = "/tmp/mig-silent-XXXXXX", sock[64];
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct buf question, answer;
	int fd, peer, i;
	int64_t start;
	struct err e;

	assert_non_null(mkdtemp(path));
	snprintf(sock, sizeof(sock), "%s/s", path);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", sock);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 8), 0);
	setenv("SSH_AUTH_SOCK", sock, 1);
	buf_init(&question, SSHAGENT_ANSWER_MAX);
	buf_init(&answer, SSHAGENT_ANSWER_MAX);
	for (i = 0; i < 2; i++) {
		/* the second is larger than what a socket takes unread */
		while (i == 1 && question.len < SSHAGENT_ANSWER_MAX - 8)
			buf_add_u8(&question, 0);
		buf_add_u8(&question, 11);
		start = clock_mono_ms();
		assert_int_equal(
		    sshagent_ask(&question, 100, &answer, &e), ERR_TIMEOUT);
		assert_true(clock_mono_ms() - start >= 100);
		assert_non_null(strstr(e.msg, "in time"));
		peer = accept(fd, NULL, NULL);
		assert_true(peer >= 0);
		close(peer);
	}
	close(fd);
	assert_int_equal(
	    sshagent_ask(&question, 100, &answer, &e), ERR_NOTFOUND);
	buf_release(&question);
	buf_release(&answer);
	unlink(sock);
	rmdir(path);
}

/* What was in the buffer before stays there. */
static void
test_answer_is_appended(void **state)
{
	static const uint8_t said[] = { 0, 0, 0, 3, 12, 'o', 'k' };
	uint8_t asked[5]; /* length and the one byte of the question */
	char path[] = "/tmp/mig-agent-XXXXXX";
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct buf question, answer;
	int fd, peer, status;
	struct err e;
	pid_t pid;

	assert_non_null(mkdtemp(path));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	setenv("SSH_AUTH_SOCK", a.sun_path, 1);
	pid = fork();
	if (pid == 0) {
		alarm(20);
		peer = accept(fd, NULL, NULL);
		if (recv(peer, asked, sizeof(asked), MSG_WAITALL) != 5)
			_exit(2);
		_exit(write(peer, said, sizeof(said)) != sizeof(said));
	}
	assert_true(pid > 0);
	buf_init(&question, 16);
	buf_init(&answer, SSHAGENT_ANSWER_MAX);
	buf_add_u8(&question, 11);
	buf_add_str(&answer, "before ");
	assert_int_equal(sshagent_ask(&question, 10000, &answer, &e), 0);
	assert_string_equal(buf_str(&answer), "before \x0cok");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	buf_release(&question);
	buf_release(&answer);
	close(fd);
	unlink(a.sun_path);
	rmdir(path);
}

static void
test_no_agent(void **state)
{
	char path[256];
	struct sshpub key;
	struct err e;
	const char *name =
	    "ssh:SHA256:hhzjzwLo24tyJWaLWjJWzJLc/kdYSLBL25TlJDEsvwY";

	unsetenv("SSH_AUTH_SOCK");
	assert_int_equal(signer_find(name, &key, &e), ERR_NOTFOUND);
	assert_non_null(strstr(e.msg, "SSH_AUTH_SOCK is not set"));
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	setenv("SSH_AUTH_SOCK", path, 1);
	assert_int_equal(signer_find(name, &key, &e), ERR_TOOBIG);
	assert_int_equal(
	    signer_find("/nonexistent.pub", &key, &e), ERR_NOTFOUND);
}

static void
test_names(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} rows[] = {
		{ "ssh:SHA256:hhzjzwLo24tyJWaLWjJWzJLc/kdYSLBL25TlJDEsvwY",
		    true },
		{ "/home/a/.ssh/id_ed25519.pub", true },
		{ "ssh:SHA256:hhzjzwLo24tyJWaLWjJWzJLc/kdYSLBL25TlJDEsvw",
		    false },
		{ "ssh:SHA256:hhzjzwLo24tyJWaLWjJWzJLc/kdYSLBL25TlJDEsvwY=",
		    false },
		{ "ssh:SHA256:hhzjzwLo24tyJWaLWjJWzJLc/kdYSLBL25TlJDEsv*Y",
		    false },
		/* not canonical: bits beyond the 32 bytes */
		{ "ssh:SHA256:hhzjzwLo24tyJWaLWjJWzJLc/kdYSLBL25TlJDEsvwZ",
		    false },
		{ "ssh:MD5:00:11", false },
		{ "SHA256:hhzjzwLo24tyJWaLWjJWzJLc/kdYSLBL25TlJDEsvwY", false },
		{ "id_ed25519.pub", false },
		{ "", false },
	};
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((signer_check_name(rows[i].name, &e) == 0) != rows[i].good)
			fail_msg("%s", rows[i].name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_answer_is_appended),
		cmocka_unit_test(test_no_agent),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
