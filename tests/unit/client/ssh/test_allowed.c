/* SPDX-License-Identifier: MPL-2.0 */
/* Files of SSH public keys: whose they are, every option, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/ssh/allowed.h"

#include "base/err.h"
#include "client/pgp/keyring_make.h"

#include <stdlib.h>
#include <string.h>

#define NOW 1700000000
#define K1                                                                 \
	"ssh-ed25519 "                                                     \
	"AAAAC3NzaC1lZDI1NTE5AAAAILmT7CAwYBvWFtr4QErSU/OkT4dbrQU4HDFL8xa+" \
	"B9pv"
#define K2                                                                 \
	"ssh-ed25519 "                                                     \
	"AAAAC3NzaC1lZDI1NTE5AAAAIHYwTEkSyWRYSIIjO8zphYz9//npIf4fvME2xZ6R" \
	"wSM5"
#define ID1 "861ce3cf02e8db8b7225668b5a3256cc92dcfe47"
#define ID2 "96ce37e0503a0fbf232d0b5f2269eea9bcd2eeb9"
/* the base point's neighbour of small order: y = 1 */
#define WEAK                                                               \
	"ssh-ed25519 "                                                     \
	"AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAA"
#define SK "sk-ssh-ed25519@openssh.com "

struct row {
	const char *text;
	const char *want;    /* in the lines, or NULL */
	const char *refused; /* in the refusals; "" for none */
};

static void
check(const struct row *row, const struct allowed_whose *w)
{
	struct keyring_made made;
	struct keyring k;
	struct err e;
	struct buf b;
	int rc;

	err_clear(&e);
	rc = allowed_keyring(row->text, strlen(row->text), w, &made, &e);
	if ((rc == 0) != (row->want != NULL))
		fail_msg("%s: %d %s", row->text, rc, e.msg);
	if (rc == 0) {
		buf_init(&b, KEYRING_TEXT_MAX);
		buf_add_str(&b, "mig-keyring 3\n");
		buf_add(&b, made.lines.data, made.lines.len);
		if (keyring_parse(b.data, b.len, &k, &e) != 0)
			fail_msg("%s: %s", row->text, e.msg);
		assert_int_equal(k.npersons, made.persons);
		assert_int_equal(k.nkeys, made.keys);
		keyring_release(&k);
		if (strstr(buf_str(&b), row->want) == NULL)
			fail_msg("%s: %s", row->text, buf_str(&b));
		buf_release(&b);
	} else if (strstr(e.msg, row->refused) == NULL) {
		fail_msg("%s: %s", row->text, e.msg);
	}
	assert_int_equal(made.nrefused > 0, row->refused[0] != '\0');
	if (row->refused[0] != '\0' &&
	    strstr(buf_str(&made.refused), row->refused) == NULL)
		fail_msg("%s: %s", row->text, buf_str(&made.refused));
	buf_release(&made.lines);
	buf_release(&made.refused);
}

static void
test_lines(void **state)
{
	static const struct row rows[] = {
		/* as ssh-keygen writes them */
		{ K1 " Alice A\n", "person " ID1 " Alice A\nkey " ID1 " ssh-",
		    "" },
		{ "\n# x\n  " K1 "  a \r\n\n", "person " ID1 " a\n", "" },
		{ K1 " a\n" K2 " b\n", "person " ID2 " b\nkey " ID2, "" },
		/* one person, two keys */
		{ K1 " a\n" K2 " a\n",
		    "a\nkey " ID1 " ssh-ed25519 0 0 b993ec2030601bd616daf8404a"
		    "d253f3a44f875bad05381c314bf316be07da6f\nkey " ID2,
		    "" },
		{ K1 "\n", NULL, "no comment" },
		{ K1 " a\n" K1 " b\n", "person " ID1 " a",
		    "line 2: the key stands in line 1" },
		/* allowed_signers */
		{ "a@b.org " K1 "\n", "person " ID1 " a@b.org\n", "" },
		{ "a@b.org " K1 " comment\n", "person " ID1 " a@b.org\n", "" },
		{ "\"Alice A\" " K1 "\n", "person " ID1 " Alice A\n", "" },
		{ "a@b.org valid-after=\"20230101Z\" " K1,
		    "ssh-ed25519 1672531200 0 ", "" },
		{ "a valid-before=\"20330102030405Z\" " K1,
		    "ssh-ed25519 0 1988247845 ", "" },
		{ "a "
		  "VALID-AFTER=\"202301010102Z\",Valid-Before="
		  "\"20330101Z\" " K1,
		    "ssh-ed25519 1672534920 1988150400 ", "" },
		{ "a valid-before=\"20200101\" " K1, NULL, "in the past" },
		{ "a valid-after=\"20330101\",valid-before=\"20320101\" " K1,
		    NULL, "not later" },
		{ "a valid-after=\"20230230\" " K1, NULL, "YYYYMMDD" },
		{ "a valid-after=\"20231301\" " K1, NULL, "YYYYMMDD" },
		{ "a valid-after=\"2023010\" " K1, NULL, "YYYYMMDD" },
		{ "a valid-after=\"20230101X\" " K1, NULL, "YYYYMMDD" },
		{ "a valid-after=\"\" " K1, NULL, "YYYYMMDD" },
		{ "a valid-after=20230101 " K1, NULL, "double quotes" },
		{ "a valid-after " K1, NULL, "double quotes" },
		{ "a valid-after=\"20230101Z\",valid-after=\"20230101Z\" " K1,
		    NULL, "stands twice" },
		{ "a namespaces=\"*\" " K1, "person " ID1 " a\n", "" },
		{ "a namespaces=\"git,*@mig\" " K1, "person " ID1 " a\n", "" },
		{ "a "
		  "namespaces=\"action@mig,cancel@mig,policy@mig,session@mig,"
		  "share@mig"
		  "\" " K1,
		    "person " ID1 " a\n", "" },
		{ "a namespaces=\"??????@mig,s*@m?g\" " K1,
		    "person " ID1 " a\n", "" },
		{ "a namespaces=\"?????@mig,s*n@m?g\" " K1, NULL,
		    "action@mig" },
		{ "a namespaces=\"action@mig\" " K1, NULL, "cancel@mig" },
		{ "a namespaces=\"*,!policy@mig\" " K1, NULL, "policy@mig" },
		{ "a namespaces=\"git\" " K1, NULL, "action@mig" },
		{ "a namespaces=\"\" " K1, NULL, "action@mig" },
		{ "a cert-authority " K1, NULL, "certificates" },
		{ "a namespaces=\"*\",cert-authority " K1, NULL,
		    "certificates" },
		{ "a no-touch-required " K1, NULL, "not known" },
		{ "a verify-required " K1, NULL, "not known" },
		{ "a namespaces=\"*\", " K1, NULL, "\"\" is not known" },
		{ "a namespaces=\"*\"x " K1, NULL, "comma" },
		{ "a namespaces=\"* " K1, NULL, "double quotes" },
		{ "*@b.org " K1, NULL, "not for a list" },
		{ "a,b " K1, NULL, "not for a list" },
		{ "!a " K1, NULL, "not for a list" },
		{ "from=\"x\" " K1, NULL, "not a principal" },
		{ "@cert-authority a " K1, NULL, "not a principal" },
		{ "\"\" " K1, NULL, "1 to 255 bytes" },
		{ "a", NULL, "key is expected after" },
		{ "a ssh-ed25519", NULL, "damaged" },
		{ "a ssh-ed25519 AAAA", NULL, "damaged" },
		{ "a ssh-ed25519 A*AA", NULL, "base64" },
		{ "a ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQE=", NULL,
		    "ssh-rsa: SSH keys of this kind do not sign for MIG" },
		/* an authorized_keys file: its options are nobody */
		{ "cert-authority " K1 " a\n", NULL, "is an option" },
		{ "Restrict " K1 " a\n", NULL, "is an option" },
		{ "\"no-touch-required\" " K1 " a\n", NULL, "is an option" },
		{ "restrict,pty " K1 " a\n", NULL, "not for a list" },
		{ "restricted " K1 "\n", "person " ID1 " restricted\n", "" },
		{ "a ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAILmT7CAwYBvWFtr4QErSU/"
		  "OkT4dbrQU4HDFL8xa+B9pv",
		    NULL, "not of the kind" },
		{ "a " SK "AAAAC3NzaC1lZDI1NTE5", NULL, "not of the kind" },
		{ "a " WEAK, NULL, "small order" },
		{ "a\x1b[31m " K1, NULL, "printable" },
		{ K1 " \xff\n", NULL, "no comment" },
		{ "a " K1 "\nb x " K2 "\n", "person " ID1 " a",
		    "line 2: option \"x\"" },
		{ "root:x:0:0:root:/root:/bin/bash\n", NULL,
		    "line 1: an option or an SSH public key is expected" },
		{ "", NULL, "" },
		{ "# nothing\n", NULL, "" },
	};
	const struct allowed_whose w = { .now = NOW };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(&rows[i], &w);
}

/* Names and persons that the caller says, and who had a key before. */
static void
test_whose(void **state)
{
	static const char old_text[] =
	    "mig-keyring 3\nperson "
	    "1111111111111111111111111111111111111111"
	    " Old\nkey " ID2 " ssh-ed25519 0 0 "
	    "76304c4912c964584882233bcce9858cfdfff9e9"
	    "21fe1fbcc136c59e91c12339\n";
	uint8_t person[PGP_FPR_LEN];
	struct allowed_whose w = { .now = NOW, .name = "N" };
	struct keyring old;

	check(
	    &(struct row){ K1 "\n" K2 "\n", "person " ID1 " N\nkey " ID1, "" },
	    &w);
	assert_int_equal(
	    keyring_parse(old_text, strlen(old_text), &old, NULL), 0);
	w.old = &old;
	/* somebody has the key: no other name, nor another's key by theirs */
	check(&(struct row){ K1 "\n" K2 "\n", "person " ID1 " N\nkey " ID1,
		  "line 2: the key is of Old in the keyring" },
	    &w);
	w.name = NULL;
	check(
	    &(struct row){ "Old " K1 "\nOld " K2 "\n",
		"person 1111111111111111111111111111111111111111 Old\nkey " ID1,
		"" },
	    &w);
	memset(person, 0x22, sizeof(person));
	w.person = person;
	w.name = "X";
	check(&(struct row){ K1 "\n",
		  "person 2222222222222222222222222222222222222222 X\n", "" },
	    &w);
	keyring_release(&old);
}

static void
test_is_text(void **state)
{
	static const struct {
		const char *text;
		bool want;
	} rows[] = {
		{ K1, true },
		{ "# x\n\na@b " K1, true },
		{ "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nx", false },
		{ "words\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n", false },
		{ "\x99\x01\x0d", false },
		{ "", false },
		{ "#\n", false },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
		    allowed_is_text(rows[i].text, strlen(rows[i].text)),
		    rows[i].want);
	assert_false(allowed_is_text("\0\0\0", 3));
}

static void
test_sizes(void **state)
{
	const struct allowed_whose w = { .now = NOW };
	struct keyring_made made;
	char *text = malloc(ALLOWED_TEXT_MAX + 1);
	struct err e;

	assert_non_null(text);
	memset(text, 'a', ALLOWED_TEXT_MAX + 1);
	assert_int_equal(
	    allowed_keyring(text, ALLOWED_TEXT_MAX + 1, &w, &made, &e),
	    ERR_INVALID);
	buf_release(&made.lines);
	buf_release(&made.refused);
	assert_int_equal(
	    allowed_keyring(text, ALLOWED_LINE_MAX + 1, &w, &made, &e),
	    ERR_TOOBIG);
	buf_release(&made.lines);
	buf_release(&made.refused);
	assert_int_equal(
	    allowed_keyring("a\0b", 3, &w, &made, &e), ERR_INVALID);
	buf_release(&made.lines);
	buf_release(&made.refused);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_whose),
		cmocka_unit_test(test_is_text),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
