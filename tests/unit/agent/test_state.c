/* SPDX-License-Identifier: MPL-2.0 */
/* The state directory: a policy of which a bit has changed is no policy. */
#include "agent/monitor/state.h"

#include "base/err.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char first[] = "mig-policy 3\nversion 1\nweight 100\n";
static const char second[] = "mig-policy 3\nversion 2\nweight 10\n";

static char dir[64];
static struct state st;

static int
setup(void **state)
{
	struct err e;

	snprintf(dir, sizeof(dir), "/tmp/mig-test-state-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return state_open(dir, &st, &e);
}

static int
teardown(void **state)
{
	char command[128];

	state_close(&st);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* What is read: the text, or the error's code. */
static int
read_policy(const char *want)
{
	struct buf b;
	struct err e;
	int rc;

	err_clear(&e);
	buf_init(&b, 4096);
	rc = state_policy_read(&st, &b, &e);
	if (rc == 0) {
		assert_int_equal(b.len, strlen(want));
		assert_memory_equal(b.data, want, b.len);
	} else {
		assert_int_equal(b.len, 0);
		if (rc == ERR_INVALID)
			assert_non_null(strstr(e.msg, "mig-agent policy"));
	}
	buf_release(&b);
	return rc;
}

static void
install(const char *text)
{
	struct err e;

	assert_int_equal(state_policy_write(&st, text, strlen(text), &e), 0);
}

static void
test_policy(void **state)
{
	char path[128];

	assert_int_equal(read_policy(""), ERR_NOTFOUND);
	install(first);
	assert_int_equal(read_policy(first), 0);
	install(second);
	assert_int_equal(read_policy(second), 0);
	/* without its hash nobody knows whether it is the installed one */
	snprintf(path, sizeof(path), "%s/policy.hash", dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(read_policy(""), ERR_INVALID);
	install(second);
	assert_int_equal(read_policy(second), 0);
}

/* A crash between the two files leaves either policy whole. */
static void
test_policy_crash(void **state)
{
	struct err e;

	install(first);
	install(second);
	assert_int_equal(
	    state_write(&st, "policy", first, strlen(first), &e), 0);
	assert_int_equal(read_policy(first), 0);
	/* and the next one is installed over that */
	install(second);
	assert_int_equal(read_policy(second), 0);
}

/* A disk with room for the hashes but not for the policy, again and again: the
 * one in force stays. */
static void
test_policy_no_room(void **state)
{
	struct rlimit was, small;
	char third[2000];
	struct err e;
	int i;

	install(first);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 1000;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (i = 0; i < 3; i++) {
		memset(third, '0' + i / 2, sizeof(third));
		assert_true(
		    state_policy_write(&st, third, sizeof(third), &e) != 0);
		assert_int_equal(read_policy(first), 0);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	install(second);
	assert_int_equal(read_policy(second), 0);
}

/* In place: what is flipped is not to be synced as well. */
static void
write_over(const char *name, const struct buf *b)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_true((fd = open(path, O_WRONLY)) >= 0);
	assert_int_equal(write(fd, b->data, b->len), b->len);
	close(fd);
}

static void
flip_each(const char *name, const char *want)
{
	struct buf b;
	struct err e;
	size_t bit;

	buf_init(&b, 4096);
	assert_int_equal(state_read(&st, name, &b, &e), 0);
	for (bit = 0; bit < b.len * 8; bit++) {
		b.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		write_over(name, &b);
		/* the same, or none */
		if (read_policy(want) != 0)
			assert_int_equal(read_policy(want), ERR_INVALID);
		else
			assert_string_equal(name, "policy.hash");
		b.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
	}
	write_over(name, &b);
	buf_release(&b);
}

static void
test_policy_flips(void **state)
{
	install(first);
	flip_each("policy", first);
	flip_each("policy.hash", first);
	assert_int_equal(read_policy(first), 0);
}

static void
test_identity_flips(void **state)
{
	struct state again = st;
	struct buf b;
	struct err e;
	struct id id;
	size_t bit;
	int rc;

	assert_int_equal(state_identity_new(&st, &e), 0);
	id = st.who.id;
	buf_init(&b, 4096);
	assert_int_equal(state_read(&st, "machine", &b, &e), 0);
	for (bit = 0; bit < b.len * 8; bit++) {
		b.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		write_over("machine", &b);
		err_clear(&e);
		rc = state_identity(&again, &e);
		/* the last byte, a newline, says nothing */
		assert_int_equal(rc, bit / 8 == b.len - 1 ? 0 : ERR_DENIED);
		if (rc == 0)
			assert_true(id_equal(&again.who.id, &id));
		b.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
	}
	buf_release(&b);
}

/* What the agent would send of its enrolment. */
static bool
read_enrolment(struct id *token, struct id *proof)
{
	struct state again = st;
	struct err e;

	memset(&again.token, 0xff, sizeof(again.token));
	assert_int_equal(state_identity(&again, &e), 0);
	*token = again.token;
	*proof = again.proof;
	identity_wipe(&again.who);
	return !id_is_zero(token);
}

static void
test_enrolment_flips(void **state)
{
	struct id token, proof, t, p;
	struct buf b;
	struct err e;
	size_t bit, old;

	memset(&token, 0x31, sizeof(token));
	memset(&proof, 0xa9, sizeof(proof));
	assert_int_equal(state_identity_new(&st, &e), 0);
	assert_false(read_enrolment(&t, &p));
	assert_int_equal(state_enrolment_write(&st, &token, &proof, &e), 0);
	buf_init(&b, 4096);
	assert_int_equal(state_read(&st, "enrolment", &b, &e), 0);
	for (bit = 0; bit < b.len * 8; bit++) {
		b.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		write_over("enrolment", &b);
		/* the same, or none */
		if (read_enrolment(&t, &p)) {
			assert_true(id_equal(&t, &token));
			assert_true(id_equal(&p, &proof));
		}
		b.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
	}
	/* cut anywhere: none, but for one that has no sum, of before */
	old = (size_t)2 * (ID_HEX_LEN + 1);
	while (b.len-- > 0) {
		assert_int_equal(
		    state_write(&st, "enrolment", b.data, b.len, &e), 0);
		assert_int_equal(read_enrolment(&t, &p), b.len == old);
		assert_true(b.len != old ||
		    (id_equal(&t, &token) && id_equal(&p, &proof)));
	}
	buf_release(&b);
}

/* What others could write is not used: the directory, a file, a directory in
 * it. */
static void
test_others(void **state)
{
	static const char *const names[] = { "", "/policy", "/spool" };
	char path[128];
	struct state again;
	struct err e;
	size_t i;
	mode_t mode;

	install(first);
	snprintf(path, sizeof(path), "%s/spool", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/dead", dir);
	assert_int_equal(symlink("/no/such/file", path), 0);
	state_close(&st);
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", dir, names[i]);
		mode = i == 1 ? 0600 : 0700;
		assert_int_equal(chmod(path, mode | 020), 0);
		assert_int_equal(state_open(dir, &again, &e), ERR_DENIED);
		assert_non_null(strstr(e.msg, "'chmod go-w "));
		assert_non_null(strstr(e.msg, path));
		assert_int_equal(chmod(path, mode), 0);
		if (geteuid() != 0)
			continue;
		assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
		assert_int_equal(state_open(dir, &again, &e), ERR_DENIED);
		assert_non_null(strstr(e.msg, "belongs to user 12345"));
		assert_non_null(strstr(e.msg, "'chown 0 "));
		assert_int_equal(chown(path, 0, (gid_t)-1), 0);
	}
	assert_int_equal(state_open(dir, &st, &e), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_policy),
		T(test_policy_crash),
		T(test_policy_no_room),
		T(test_policy_flips),
		T(test_identity_flips),
		T(test_enrolment_flips),
		T(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
