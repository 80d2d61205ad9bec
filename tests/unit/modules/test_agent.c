/* SPDX-License-Identifier: MPL-2.0 */
/* The agent module: other agents in /proc, here one made by hand, and what the
 * parameters may say. */
#include "base/err.h"
#include "base/file.h"
#include "modules/agent/peers.h"
#include "modules/agent/wish.h"
#include "modules/module.h"

#include "readdir_fails.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/mig-proc-XXXXXX";

static void
put(int pid, const char *name, const char *text, size_t len)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%d", root, pid);
	(void)mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%d/%s", root, pid, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* A process; label NULL: no argument. */
static void
process(int pid, int parent, const char *comm, const char *label)
{
	char text[1024];
	size_t len;

	snprintf(text, sizeof(text),
	    "%d (%s) S %d 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %d 99 88\n",
	    pid, comm, parent, 1000 + pid);
	put(pid, "stat", text, strlen(text));
	len = (size_t)snprintf(text, sizeof(text), "/usr/lib/%s", comm) + 1;
	if (label != NULL)
		len += (size_t)snprintf(
			   text + len, sizeof(text) - len, "%s", label) +
		    1;
	put(pid, "cmdline", text, len);
}

static int
setup(void **state)
{
	return mkdtemp(root) != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static void
test_peers(void **state)
{
	static const char zombie[] =
	    "70 (mig-agent) Z 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 1070 "
	    "99 88\n";
	static struct peers p;
	char label[PEER_LABEL_MAX];

	peer_label("1.2~rc3", "daemon", "00ff", label);
	process(1, 0, "init", NULL);
	process(70, 1, "mig-agent", NULL);
	process(71, 70, "mig-agent-judge", label);
	process(72, 70, "mig-agent-verif", label);
	/* verify alone is there; the name holds brackets */
	process(80, 1, "mig-agent", NULL);
	process(81, 80, "mig-agent-verif", "version=9 mode=check id=1");
	process(82, 80, "a) R 70 (b", NULL);
	/* no agents: another parent, no label, a bad one, no monitor */
	process(90, 1, "bash", NULL);
	process(91, 90, "mig-agent-judge", label);
	process(92, 1, "mig-agent", NULL);
	process(93, 92, "mig-agent-judge", NULL);
	process(94, 1, "mig-agent", NULL);
	process(95, 94, "mig-agent-judge", "version= mode=x id=1");
	process(96, 95, "mig-agent-judge",
	    "x\xff"
	    "version=1 mode=x id=1");
	put(97, "stat", "97 (mig-agent-judge", 19);
	put(98, "stat", "", 0);
	assert_int_equal(peers_find(root, &p), 0);
	assert_int_equal(p.n, 2);
	assert_false(p.hidden || p.more);
	assert_int_equal(p.list[0].pid, 70);
	assert_string_equal(p.list[0].version, "1.2~rc3");
	assert_string_equal(p.list[0].mode, "daemon");
	assert_string_equal(p.list[0].id, "00ff");
	assert_int_equal(p.list[0].start, 1070);
	assert_int_equal(p.list[0].uid, getuid());
	assert_int_equal(p.list[1].pid, 80);
	assert_string_equal(p.list[1].version, "9");
	assert_ptr_equal(peers_by_pid(&p, 80), &p.list[1]);
	assert_null(peers_by_pid(&p, 90));
	assert_true(peer_runs(root, 70, 1070));
	assert_false(peer_runs(root, 70, 1071)); /* the number came again */
	assert_false(peer_runs(root, 90, 1090));
	assert_false(peer_runs(root, 12345, 1));
	put(70, "stat", zombie, strlen(zombie));
	assert_false(peer_runs(root, 70, 1070)); /* nobody has reaped it */
	assert_int_equal(peers_find("/nowhere", &p), ERR_IO);
	/* what comes behind is not known; 16 processes, "." and ".." */
	entries_left = 18;
	assert_int_equal(peers_find(root, &p), ERR_IO);
	assert_int_equal(p.n, 2);
	entries_left = 0;
	assert_int_equal(peers_find(root, &p), ERR_IO);
	assert_int_equal(p.n, 0);
	entries_left = -1;
}

static void
test_check(void **state)
{
	static const struct {
		const char *in, *want;
	} t[] = {
		{ "{}", NULL },
		{ "{\"duplicates\":true}", NULL },
		{ "{\"stop\":{\"pid\":4194304,\"version\":\"0.1.0\"}}", NULL },
		{ "{\"stop\":{}}", NULL },
		{ "{\"stop\":{\"pid\":7}}", "stop: expected pid and version" },
		{ "{\"stop\":{\"version\":\"1\"}}", "stop: expected pid and" },
		{ "{\"stop\":{\"pid\":1,\"version\":\"1\"}}", "stop.pid" },
		{ "{\"stop\":{\"pid\":2.5,\"version\":\"1\"}}", "stop.pid" },
		{ "{\"stop\":{\"pid\":2,\"version\":\"\"}}", "stop.version" },
		{ "{\"stop\":{\"pid\":2,\"version\":\"1 2\"}}",
		    "stop.version" },
		{ "{\"stop\":{\"pid\":2,\"x\":1}}", "stop.x" },
		{ "{\"stop\":7}", "stop: expected an object" },
		{ "{\"duplicates\":1}", "duplicates: expected true" },
	};
	const struct module *m = module_find("agent");
	struct agent_wish w;
	struct err e;
	json_t *j;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		err_clear(&e);
		j = json_loads(t[i].in, 0, NULL);
		assert_int_equal(
		    m->check(j, &e), t[i].want != NULL ? ERR_INVALID : 0);
		if (t[i].want != NULL && strstr(e.msg, t[i].want) != e.msg)
			fail_msg("%s: %s", t[i].in, e.msg);
		agent_wish(j, &w);
		if (i == 2) {
			assert_int_equal(w.pid, 4194304);
			assert_string_equal(w.version, "0.1.0");
		} else if (t[i].want == NULL) {
			assert_int_equal(w.pid, 0);
		}
		json_decref(j);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peers),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
