/* SPDX-License-Identifier: MPL-2.0 */
/* The timedrift module without a network: packets, whose time counts,
 * durations, parameters, and the settings of time services. */
#include "modules/timedrift/choose.h"
#include "modules/timedrift/clockconf.h"
#include "modules/timedrift/clockfiles.h"
#include "modules/timedrift/ntp.h"
#include "modules/timedrift/question.h"

#include "base/err.h"
#include "base/file.h"

#include "readdir_fails.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define S INT64_C(1000000000)
#define MS INT64_C(1000000)

/* --- packets ----------------------------------------------------------------
 */

static const uint8_t nonce[NTP_NONCE] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static void
put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/* Of a synchronised server of stratum 2: 2026-01-01T00:00:00.5Z arrived, a
 * quarter of a second later sent; half a second from the root, 16 ms wrong. */
static void
good(uint8_t p[static NTP_SIZE])
{
	memset(p, 0, NTP_SIZE);
	p[0] = 4 << 3 | 4;
	p[1] = 2;
	put32(p + 4, 0x00008000);
	put32(p + 8, 0x00000418);
	memcpy(p + 24, nonce, sizeof(nonce));
	put32(p + 32, 3976214400u);
	put32(p + 36, 0x80000000);
	put32(p + 40, 3976214400u);
	put32(p + 44, 0xc0000000);
}

static void
test_request(void **state)
{
	uint8_t p[NTP_SIZE];

	ntp_request(nonce, p);
	assert_int_equal(p[0], 0x23); /* version 4, client */
	assert_memory_equal(p + 40, nonce, sizeof(nonce));
	for (size_t i = 1; i < 40; i++)
		assert_int_equal(p[i], 0);
}

static void
test_reply(void **state)
{
	uint8_t p[NTP_SIZE + 20];
	struct ntp_reply r;
	struct err e;

	good(p);
	assert_int_equal(ntp_reply_parse(p, NTP_SIZE, nonce, &r, &e), 0);
	assert_int_equal(r.stratum, 2);
	assert_int_equal(r.arrived, 1767225600 * S + 500 * MS);
	assert_int_equal(r.sent, 1767225600 * S + 750 * MS);
	assert_int_equal(r.root_delay, 500 * MS);
	assert_in_range(r.root_dispersion, 15 * MS, 17 * MS);
	/* what stands behind, extensions and digests, is not looked at */
	assert_int_equal(ntp_reply_parse(p, NTP_SIZE + 20, nonce, &r, &e), 0);
	/* 2036-02-07T06:28:16Z: the next era begins */
	put32(p + 32, 0);
	put32(p + 36, 1);
	put32(p + 40, 1);
	assert_int_equal(ntp_reply_parse(p, NTP_SIZE, nonce, &r, &e), 0);
	assert_int_equal(r.arrived, INT64_C(2085978496) * S);
	assert_int_equal(r.sent, INT64_C(2085978497) * S + 750 * MS);
}

static void
test_reply_refused(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
		int code;
		const char *says;
	} cases[] = {
		{ 0, 0x23020000, ERR_INVALID, "mode 3, version 4" },
		{ 0, 0x25020000, ERR_INVALID, "mode 5" },
		{ 0, 0x04020000, ERR_INVALID, "version 0" },
		{ 0, 0x2c020000, ERR_INVALID, "version 5" },
		{ 0, 0xe4020000, ERR_UNSUPPORTED, "not synchronised" },
		{ 0, 0x24100000, ERR_UNSUPPORTED, "stratum 16" },
		{ 0, 0x24ff0000, ERR_UNSUPPORTED, "stratum 255" },
		{ 4, 0x00200000, ERR_UNSUPPORTED, "wrong by more than 16 s" },
		{ 8, 0x00100000, ERR_UNSUPPORTED, "wrong by more than 16 s" },
		{ 24, 0x01020305, ERR_AUTH, "another request" },
		{ 28, 0, ERR_AUTH, "another request" },
	};
	struct ntp_reply r = { .stratum = 77 };
	uint8_t p[NTP_SIZE];
	struct err e;
	size_t i;

	for (i = 0; i < NTP_SIZE; i++) {
		good(p);
		err_clear(&e);
		assert_int_equal(
		    ntp_reply_parse(p, i, nonce, &r, &e), ERR_INVALID);
		assert_non_null(strstr(e.msg, "expected at least 48"));
	}
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		good(p);
		put32(p + cases[i].at, cases[i].value);
		err_clear(&e);
		assert_int_equal(
		    ntp_reply_parse(p, NTP_SIZE, nonce, &r, &e), cases[i].code);
		if (strstr(e.msg, cases[i].says) == NULL)
			fail_msg("case %zu: %s", i, e.msg);
	}
	for (i = 32; i <= 40; i += 8) {
		good(p);
		memset(p + i, 0, 8);
		assert_int_equal(ntp_reply_parse(p, NTP_SIZE, nonce, &r, &e),
		    ERR_UNSUPPORTED);
		assert_non_null(strstr(e.msg, "without a time"));
	}
	assert_int_equal(r.stratum, 77); /* untouched by failures */
}

static void
test_kiss(void **state)
{
	static const struct {
		const char *code, *says;
	} cases[] = {
		{ "DENY", "(DENY): it serves not this host" },
		{ "RATE", "(RATE): it was asked too often" },
		{ "XYZ1", "(XYZ1): it serves no time" },
		{ "\033[2J", "(\\x1b[2J): it serves no time" },
	};
	struct ntp_reply r;
	uint8_t p[NTP_SIZE];
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		good(p);
		p[0] |= 0xc0; /* kisses come with an unknown leap */
		p[1] = 0;
		memcpy(p + 12, cases[i].code, 4);
		assert_int_equal(
		    ntp_reply_parse(p, NTP_SIZE, nonce, &r, &e), ERR_DENIED);
		if (strstr(e.msg, cases[i].says) == NULL)
			fail_msg("%s", e.msg);
		/* nobody but who saw the request can send one */
		p[24] ^= 1;
		assert_int_equal(
		    ntp_reply_parse(p, NTP_SIZE, nonce, &r, &e), ERR_AUTH);
	}
}

static void
test_sample(void **state)
{
	static const struct {
		int64_t t0, t1, t2, t3, offset, delay; /* delay < 0: refused */
	} cases[] = {
		{ 100 * S, 100 * S + 10 * MS, 100 * S + 30 * MS,
		    100 * S + 40 * MS, 0, 20 * MS },
		/* the local clock is 5 s behind */
		{ 95 * S, 100 * S + 10 * MS, 100 * S + 30 * MS,
		    95 * S + 40 * MS, 5 * S, 20 * MS },
		/* the way there takes all of the time: half of it is error */
		{ 100 * S, 100 * S + 40 * MS, 100 * S + 40 * MS,
		    100 * S + 40 * MS, 20 * MS, 40 * MS },
		/* a clock in 1970 and one in 2104 */
		{ 0, INT64_C(4233462142) * S, INT64_C(4233462142) * S, MS,
		    INT64_C(4233462142) * S - MS / 2, MS },
		/* in the year 2200, and a server in 1968 */
		{ INT64_C(7258118400) * S - MS, -61505152 * S, -61505152 * S,
		    INT64_C(7258118400) * S, -INT64_C(7319623552) * S + MS / 2,
		    MS },
		/* coarse clocks */
		{ 100 * S, 100 * S, 100 * S + MS, 100 * S, MS / 2, 0 },
		{ 100 * S, 100 * S, 100 * S + 2 * MS, 100 * S, 0, -1 },
		{ 100 * S, 100 * S + 2, 100 * S + 1, 101 * S, 0, -1 },
		{ 100 * S, 100 * S, 100 * S, 100 * S - 1, 0, -1 },
		{ -S, 0, 0, S, 0, -1 },
		{ INT64_MAX - S, 0, 0, INT64_MAX, 0, -1 },
	};
	struct ntp_sample s;
	struct ntp_reply r = { .root_delay = 2 * MS, .root_dispersion = MS };
	struct err e;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r.arrived = cases[i].t1;
		r.sent = cases[i].t2;
		rc = ntp_sample(&r, cases[i].t0, cases[i].t3, &s, &e);
		if (cases[i].delay < 0) {
			assert_int_equal(rc, ERR_INVALID);
			continue;
		}
		assert_int_equal(rc, 0);
		if (s.offset != cases[i].offset || s.delay != cases[i].delay)
			fail_msg("case %zu: %lld %lld", i, (long long)s.offset,
			    (long long)s.delay);
		assert_int_equal(s.distance, s.delay / 2 + 2 * MS);
	}
}

/* --- whose time counts ------------------------------------------------------
 */

static void
test_choose(void **state)
{
	static const struct {
		struct ntp_sample s[4];
		size_t n, best;
		bool majority;
		const char *agrees;
	} cases[] = {
		{ { { 5 * MS, MS, 10 * MS } }, 1, 0, true, "y" },
		{ { { 0, MS, 10 * MS }, { 5 * MS, MS, 2 * MS } }, 2, 1, true,
		    "yy" },
		/* the nearest lies */
		{ { { 60 * S, MS, MS }, { 0, MS, 9 * MS },
		      { 2 * MS, MS, 8 * MS } },
		    3, 2, true, "nyy" },
		{ { { 60 * S, MS, MS }, { 0, MS, 9 * MS } }, 2, 0, false,
		    "yn" },
		{ { { -60 * S, MS, MS }, { 0, MS, 9 * MS },
		      { 60 * S, MS, 8 * MS }, { 60 * S, MS, 7 * MS } },
		    4, 3, false, "nnyy" },
		/* centuries apart */
		{ { { INT64_MAX - 1, MS, MS }, { INT64_MIN + 1, MS, MS } }, 2,
		    0, false, "yn" },
	};
	bool agrees[4];
	struct choice c;
	size_t i, k;

	choose(NULL, 0, agrees, &c);
	assert_null(c.best);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		choose(cases[i].s, cases[i].n, agrees, &c);
		assert_ptr_equal(c.best, &cases[i].s[cases[i].best]);
		assert_int_equal(c.majority, cases[i].majority);
		for (k = 0; k < cases[i].n; k++)
			assert_int_equal(agrees[k], cases[i].agrees[k] == 'y');
	}
}

/* --- parameters -------------------------------------------------------------
 */

static void
test_duration(void **state)
{
	static const struct {
		const char *in;
		int64_t ns; /* -1: refused */
	} cases[] = { { "5s", 5 * S }, { "0", 0 }, { "0s", 0 }, { "+1s", S },
		{ "250ms", 250 * MS }, { "1m30.5s", 90500 * MS },
		{ "1h2m3s4ms5us6ns", 3723 * S + 4005006 },
		{ "1\302\265s", 1000 }, { "1\316\274s", 1000 },
		{ ".5s", 500 * MS }, { "1.s", S },
		{ "0.3333333333333s", 333333333 },
		{ "2562047h", 9223369200 * S }, { "1.5h", 5400 * S },
		{ "", -1 }, { "5", -1 }, { "s", -1 }, { ".s", -1 },
		{ "-1s", -1 }, { "1s ", -1 }, { "1d", -1 }, { "1s2", -1 },
		{ "1S", -1 }, { "2562048h", -1 },
		{ "9223372036854775808ns", -1 }, { "1e3s", -1 },
		{ "99999999999999999999999s", -1 }, { "1\302", -1 } };
	struct err e;
	int64_t ns;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rc = timedrift_duration(cases[i].in, &ns, &e);
		if ((rc == 0) != (cases[i].ns >= 0) ||
		    (rc == 0 && ns != cases[i].ns))
			fail_msg("'%s': %d %lld", cases[i].in, rc,
			    rc == 0 ? (long long)ns : 0);
	}
}

static void
test_check(void **state)
{
	static const struct {
		const char *in, *says;
	} cases[] = {
		{ "{}", NULL },
		{ "{\"drift\":\"\"}", NULL },
		{ "{\"drift\":\"5s\",\"servers\":[],\"timeout\":0}", NULL },
		{ "{\"drift\":\"5s\",\"servers\":[\"a\",\"192.0.2.7:124\"]}",
		    NULL },
		{ "{\"drift\":\"5\"}", "drift: '5' is not a duration" },
		{ "{\"drift\":5}", "drift: expected a string" },
		{ "{\"servers\":[\"a\"]}", "drift: expected" },
		{ "{\"drift\":\"\",\"servers\":[\"a\"]}", "drift: expected" },
		{ "{\"drift\":\"5s\",\"servers\":[\"a b\"]}",
		    "servers[0]: 'a b'" },
		{ "{\"drift\":\"5s\",\"servers\":\"a\"}",
		    "servers: expected an array" },
		{ "{\"drift\":\"5s\",\"timeout\":61}", "timeout: expected" },
		{ "{\"drift\":\"5s\",\"servers\":[\"a\",\"a\",\"a\",\"a\","
		  "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
		  "\"a\",\"a\",\"a\",\"a\"]}",
		    "servers: 17 are named" },
	};
	struct err e;
	json_t *j;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		err_clear(&e);
		j = json_loads(cases[i].in, 0, NULL);
		assert_non_null(j);
		rc = timedrift_check(j, &e);
		if ((rc == 0) != (cases[i].says == NULL) ||
		    (rc != 0 && strstr(e.msg, cases[i].says) == NULL))
			fail_msg(
			    "%s: %d %s", cases[i].in, rc, rc != 0 ? e.msg : "");
		json_decref(j);
	}
}

/* --- settings ---------------------------------------------------------------
 */

static void
on_item(enum clockconf_item item, const char *value, uint16_t port, void *arg)
{
	static const char kinds[] = "sfbSFicd";
	char *text = arg;
	size_t n = strlen(text);

	if (port != 0)
		snprintf(text + n, 1024 - n, "%c:%s:%u ", kinds[item], value,
		    (unsigned)port);
	else
		snprintf(text + n, 1024 - n, "%c:%s ", kinds[item], value);
}

static void
test_settings(void **state)
{
	static const struct {
		enum clockconf_kind kind;
		const char *in, *want;
		size_t odd;
	} cases[] = {
		{ CLOCKCONF_CHRONY,
		    "# server no.example\n! pool no.example\n"
		    "  Server a.example iburst\npool b.example maxsources 4\n"
		    "peer 192.0.2.7 PORT 124 key 1\nserver 2001:db8::1\n"
		    "refclock PHC /dev/ptp0\nserverx c.example\n"
		    "makestep 1 3\r\nserver d.example\r\n",
		    "s:a.example s:b.example s:192.0.2.7:124 s:2001:db8::1 "
		    "s:d.example ",
		    0 },
		{ CLOCKCONF_CHRONY,
		    "include /etc/chrony/x/*.conf\nconfdir /a /b\n"
		    "sourcedir /run/chrony-dhcp\nserver\nserver a port 0\n"
		    "server a_b|c\n",
		    "i:/etc/chrony/x/*.conf c:/a c:/b d:/run/chrony-dhcp ", 3 },
		{ CLOCKCONF_NTP,
		    "server -4 a.example prefer # server no.example\n"
		    "pool b.example iburst\nserver 127.127.1.0\n"
		    "fudge 127.127.1.0 stratum 10\nservers c.example\n"
		    "restrict default\nincludefile /etc/ntp/keys\n"
		    "server -6\n#server no.example\nPOOL no.example\n",
		    "s:a.example s:b.example s:c.example i:/etc/ntp/keys ", 1 },
		{ CLOCKCONF_TIMESYNCD,
		    "NTP=no.example\n[Time]\nNTP=a.example  b.example\n"
		    "FallbackNTP = c.example\n#FallbackNTP=d.example\n"
		    "NTP=\nNTPX=no.example\n# NTP=no.example\n"
		    "[Other]\nNTP=no.example\n#FallbackNTP=no.example\n",
		    "s:a.example s:b.example f:c.example b:d.example S: ", 0 },
		{ CLOCKCONF_TIMESYNCD, "[Time]\nFallbackNTP=\n", "F: ", 0 },
		{ CLOCKCONF_LINK,
		    "ADMIN_STATE=configured\nNTP=\nNTP=192.0.2.1 192.0.2.2\n",
		    "s:192.0.2.1 s:192.0.2.2 ", 0 },
	};
	char text[1024], line[CLOCKCONF_LINE_MAX + 16];
	size_t i, odd;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		text[0] = '\0';
		odd = clockconf_parse(cases[i].kind, cases[i].in,
		    strlen(cases[i].in), on_item, text);
		assert_string_equal(text, cases[i].want);
		assert_int_equal(odd, cases[i].odd);
	}
	/* too long, and with a byte 0: each only itself */
	text[0] = '\0';
	memset(line, 'x', sizeof(line));
	memcpy(line, "server ", 7);
	memcpy(line + CLOCKCONF_LINE_MAX, "\nserver a\n", 10);
	assert_int_equal(clockconf_parse(CLOCKCONF_CHRONY, line,
			     CLOCKCONF_LINE_MAX + 10, on_item, text),
	    1);
	assert_int_equal(clockconf_parse(CLOCKCONF_CHRONY,
			     "server \0b\nserver c", 18, on_item, text),
	    1);
	assert_string_equal(text, "s:a s:c ");
}

static void
put(const char *root, const char *path, const char *text)
{
	char full[512], *slash;
	struct err e;

	snprintf(full, sizeof(full), "%s%s", root, path);
	slash = strrchr(full, '/');
	*slash = '\0';
	assert_int_equal(file_mkdirs(full, 0755, &e), 0);
	*slash = '/';
	assert_int_equal(file_write(full, text, strlen(text), 0644, &e), 0);
}

static void
on_gap(const char *path, const char *why, void *arg)
{
	char *text = arg;
	size_t n = strlen(text);

	snprintf(text + n, 1024 - n, "%s: %s\n", path, why);
}

static void
check_servers(const char *root, const char *want, const char *want_gaps)
{
	struct clockservers l;
	char text[2048] = "", gaps[1024] = "";
	size_t i, n;

	clockfiles_read(root, &l, on_gap, gaps);
	for (i = 0; i < l.n; i++) {
		n = strlen(text);
		snprintf(text + n, sizeof(text) - n, "%s %s\n",
		    l.list[i].host.name, l.list[i].source);
	}
	assert_string_equal(text, want);
	assert_string_equal(gaps, want_gaps);
}

static void
remove_tree(const char *root)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

static char *
make_root(void)
{
	static char root[64];

	snprintf(root, sizeof(root), "/tmp/mig-clockfiles-XXXXXX");
	assert_non_null(mkdtemp(root));
	return root;
}

static void
test_files(void **state)
{
	char *root = make_root();

	check_servers(root, "", "");
	/* only what timesyncd would take without settings */
	put(root, "/usr/lib/systemd/timesyncd.conf",
	    "[Time]\n#NTP=\n#FallbackNTP=b.example c.example\n");
	check_servers(root,
	    "b.example /usr/lib/systemd/timesyncd.conf\n"
	    "c.example /usr/lib/systemd/timesyncd.conf\n",
	    "");
	put(root, "/usr/lib/systemd/timesyncd.conf.d/50-f.conf",
	    "[Time]\nFallbackNTP=f.example\n");
	check_servers(root,
	    "f.example /usr/lib/systemd/timesyncd.conf.d/50-f.conf\n", "");
	/* the file of /etc is read, not that of /usr; a later name comes
	 * later, and one of /etc stands for the same of /usr */
	put(root, "/etc/systemd/timesyncd.conf", "[Time]\nNTP=x.example\n");
	put(root, "/etc/systemd/timesyncd.conf.d/60-a.conf",
	    "[Time]\nNTP=\nNTP=y.example\n");
	put(root, "/etc/systemd/timesyncd.conf.d/50-f.conf", "");
	put(root, "/run/systemd/netif/links/2", "NTP=192.0.2.1\n");
	check_servers(root,
	    "192.0.2.1 /run/systemd/netif/links/2\n"
	    "y.example /etc/systemd/timesyncd.conf.d/60-a.conf\n",
	    "");
	/* chrony comes first, with what it includes; each server once */
	put(root, "/etc/chrony/chrony.conf",
	    "confdir /etc/chrony/conf.d\nsourcedir /run/chrony-dhcp\n"
	    "include /etc/chrony/chrony.conf\ninclude rel\n"
	    "include /etc/*/x.conf\nserver one.example\n"
	    "server ONE.example port 123\n");
	put(root, "/etc/chrony/conf.d/a.conf", "pool two.example\n");
	put(root, "/etc/chrony/conf.d/b.other", "pool no.example\n");
	put(root, "/run/chrony-dhcp/eth0.sources", "server one.example\n");
	put(root, "/etc/ntp.conf", "server three.example\nserver\n");
	check_servers(root,
	    "one.example /etc/chrony/chrony.conf\n"
	    "ONE.example /etc/chrony/chrony.conf\n"
	    "three.example /etc/ntp.conf\n"
	    "192.0.2.1 /run/systemd/netif/links/2\n"
	    "two.example /etc/chrony/conf.d/a.conf\n"
	    "y.example /etc/systemd/timesyncd.conf.d/60-a.conf\n",
	    "rel: not an absolute path of a file\n"
	    "/etc/*/x.conf: a pattern of directories is not followed\n"
	    "/etc/ntp.conf: lines about servers that were not understood\n");
	remove_tree(root);
}

/* As the hook of Debian's packages writes them: beside the settings of which
 * they are a copy, as one of both is in use. */
static void
test_files_of_dhcp(void **state)
{
	char *root = make_root();

	put(root, "/run/ntpsec/ntp.conf.dhcp",
	    "# NTP server entries received from DHCP server\n"
	    "server 192.0.2.7 iburst\n\ndriftfile /var/lib/ntpsec/ntp.drift\n"
	    "restrict default kod nomodify\n");
	check_servers(root, "192.0.2.7 /run/ntpsec/ntp.conf.dhcp\n", "");
	put(root, "/run/ntp.conf.dhcp", "server 192.0.2.8 iburst\n");
	put(root, "/etc/ntpsec/ntp.conf",
	    "pool one.example iburst\nserver 192.0.2.7\n");
	check_servers(root,
	    "192.0.2.7 /run/ntpsec/ntp.conf.dhcp\n"
	    "192.0.2.8 /run/ntp.conf.dhcp\n"
	    "one.example /etc/ntpsec/ntp.conf\n",
	    "");
	remove_tree(root);
}

/* What is no file, too large, or names files without end. */
static void
test_files_hostile(void **state)
{
	char *root = make_root(), path[128], *text;
	struct clockservers l;
	char gaps[1024] = "";
	size_t i, n;

	put(root, "/etc/chrony.conf", "include /etc/chrony.d/1\n");
	/* each names the next: the list of files is bounded */
	for (i = 1; i < 80; i++) {
		snprintf(path, sizeof(path), "/etc/chrony.d/%zu", i);
		snprintf(gaps, sizeof(gaps),
		    "server s%zu.example\ninclude /etc/chrony.d/%zu\n", i,
		    i + 1);
		put(root, path, gaps);
	}
	snprintf(path, sizeof(path), "%s/etc/ntp.conf", root);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/etc/ntpd.conf", root);
	assert_int_equal(mkdir(path, 0700), 0);
	text = malloc(70000);
	memset(text, '\n', 69999);
	text[69999] = '\0';
	put(root, "/etc/ntpsec/ntp.conf", text);
	free(text);
	gaps[0] = '\0';
	clockfiles_read(root, &l, on_gap, gaps);
	assert_int_equal(l.n, TIMEDRIFT_SERVERS_MAX);
	assert_true(l.more > 20);
	assert_string_equal(l.list[0].host.name, "s1.example");
	n = strlen(gaps);
	assert_non_null(strstr(gaps, "/etc/ntp.conf: not a file\n"));
	assert_non_null(strstr(gaps, "/etc/ntpd.conf: not a file\n"));
	assert_non_null(
	    strstr(gaps, "/etc/ntpsec/ntp.conf: larger than 64 KiB\n"));
	assert_non_null(strstr(gaps, "there are too many files\n"));
	assert_true(n < 300);
	remove_tree(root);
}

static void
test_directory_fails(void **state)
{
	char *root = make_root(), gaps[1024] = "";
	struct clockservers l;

	put(root, "/etc/chrony.conf", "confdir /etc/chrony.d\n");
	put(root, "/etc/chrony.d/a.conf", "server a.example\n");
	entries_left = 0;
	clockfiles_read(root, &l, on_gap, gaps);
	entries_left = -1;
	assert_int_equal(l.n, 0);
	assert_non_null(strstr(gaps, "/etc/chrony.d: "));
	remove_tree(root);
}

/* Of two directories, each with no more than may be. */
static void
test_too_many_dropins(void **state)
{
	char *root = make_root(), path[128], gaps[1024] = "";
	struct clockservers l;
	size_t i;

	for (i = 0; i < 40; i++) {
		snprintf(path, sizeof(path),
		    "/etc/systemd/timesyncd.conf.d/a%02zu.conf", i);
		put(root, path, "");
		snprintf(path, sizeof(path),
		    "/usr/lib/systemd/timesyncd.conf.d/%s%02zu.conf",
		    i < 30 ? "a" : "b", i);
		put(root, path, "");
	}
	/* of 50 names none is left out: thirty stand for two files */
	clockfiles_read(root, &l, on_gap, gaps);
	assert_string_equal(gaps, "");
	for (i = 40; i < 56; i++) {
		snprintf(path, sizeof(path),
		    "/usr/lib/systemd/timesyncd.conf.d/b%02zu.conf", i);
		put(root, path, "");
	}
	clockfiles_read(root, &l, on_gap, gaps);
	assert_non_null(strstr(gaps,
	    "/usr/lib/systemd/timesyncd.conf.d: there are too many files\n"));
	remove_tree(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_reply),
		cmocka_unit_test(test_reply_refused),
		cmocka_unit_test(test_kiss),
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_files_of_dhcp),
		cmocka_unit_test(test_files_hostile),
		cmocka_unit_test(test_directory_fails),
		cmocka_unit_test(test_too_many_dropins),
	};

	return cmocka_run_group_tests_name(
	    "modules/timedrift", tests, NULL, NULL);
}
