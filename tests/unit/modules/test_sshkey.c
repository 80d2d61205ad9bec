/* SPDX-License-Identifier: MPL-2.0 */
/* Keys of files made here, cut and with bits turned. Real keys, compared with
 * ssh-keygen: tests/integration/test_sshkey.py. */
#include "modules/module.h"
#include "modules/sshkey/keyfile.h"
#include "modules/sshkey/line.h"
#include "modules/sshkey/pem.h"

#include "base/err.h"
#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct told {
	char text[4096];
	size_t keys, damaged, not ;
};

static void
on_key(const struct keyfile_key *k, void *arg)
{
	struct told *t = arg;
	size_t n = strlen(t->text);

	t->keys++;
	snprintf(t->text + n, sizeof(t->text) - n, "%s %s %u %.*s %llu|",
	    k->type, k->public != NULL ? k->public->type : "-",
	    k->public != NULL ? k->public->bits : 0, (int)k->comment_len,
	    k->comment_len > 0 ? (const char *)k->comment : "",
	    (unsigned long long)k->line);
}

static void
on_damaged(uint64_t line, const char *what, void *arg)
{
	struct told *t = arg;

	t->damaged++;
	assert_true(line > 0 && *what != '\0');
}

static void
on_not_a_key(const char *what, void *arg)
{
	struct told *t = arg;

	t->not ++;
	assert_true(*what != '\0');
}

static void
on_no_memory(void *arg)
{
	fail_msg("there is enough memory");
}

static size_t questions, enough;

static bool
on_stop(void *arg)
{
	return enough != 0 && ++questions > enough;
}

static void
read_file(const char *name, const void *text, size_t len, struct told *t)
{
	const struct keyfile_ops ops = { on_key, on_damaged, on_not_a_key,
		on_no_memory, on_stop, t };

	memset(t, 0, sizeof(*t));
	keyfile_read(name, text, len, &ops);
}

/* A blob of fields, each "text" or a number of bytes of one value. */
static void
make_ed25519(struct buf *out, const char *type, bool sk)
{
	uint8_t key[32];

	memset(key, 7, sizeof(key));
	buf_add_field(out, type, strlen(type));
	buf_add_field(out, key, sizeof(key));
	if (sk)
		buf_add_field(out, "ssh:", 4);
}

static const char *
base64(struct buf *text, const struct buf *blob)
{
	buf_clear(text);
	b64_encode(text, blob->data, blob->len);
	return buf_str(text);
}

/* The same in base64. */
#define ED25519 \
	"AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH"

static void
test_lines(void **state)
{
	static const struct {
		const char *file, *before, *after, *want;
		size_t damaged, not ;
	} table[] = {
		{ "id.pub", "ssh-ed25519 ", " me@here",
		    "public ssh-ed25519 256 me@here 1|", 0, 0 },
		{ "id.pub", "  ssh-ed25519\t", "\r\n",
		    "public ssh-ed25519 256  1|", 0, 0 },
		{ "root", "from=\"x ssh-rsa AAAA\" ssh-ed25519 ", "",
		    "public ssh-ed25519 256  1|", 0, 0 },
		{ "x", "@revoked * ssh-rsa ssh-ed25519 ", " AAAA",
		    "public ssh-ed25519 256 AAAA 1|", 0, 0 },
		{ "x", "\"quoted ssh-ed25519 ", "", "", 0, 0 },
		/* cloud-init's, as YAML and as JSON */
		{ "user-data", "  - \"ssh-ed25519 ", " me@here\"\r\n",
		    "public ssh-ed25519 256 me@here 1|", 0, 0 },
		{ "user-data", "\n- 'from=\"x y\" ssh-ed25519 ", "'",
		    "public ssh-ed25519 256  2|", 0, 0 },
		{ "user-data", "- \"from=\\\"x\\\" ssh-ed25519 ", "\"",
		    "public ssh-ed25519 256  1|", 0, 0 },
		{ "x.json", "{\"n\":1,\"keys\":[\"ssh-ed25519 ",
		    "\\n\",\"ssh-ed25519 " ED25519 " b\", \"ssh-rsa is\"]}",
		    "public ssh-ed25519 256  1|public ssh-ed25519 256 b 1|", 0,
		    0 },
		{ "x.json", "[\"ssh-ed25519 AAAA\",\"ssh-ed25519 ", "\"]", "",
		    0, 1 },
		{ "any.txt", "ssh-ed25519 is a kind of key\n\n#\nssh-ed25519 ",
		    " a b ", "public ssh-ed25519 256 a b 4|", 0, 0 },
		{ "authorized_keys",
		    "# x\n\nfrom=\"a b,\\\" c\",pty ssh-ed25519 ", " me",
		    "authorizedkeys ssh-ed25519 256 me 3|", 0, 0 },
		{ "authorized_keys2", "rubbish\nssh-ed25519 ", "",
		    "authorizedkeys ssh-ed25519 256  2|", 1, 0 },
		{ "authorized_keys", "ssh-what ", "", "", 1, 0 },
		{ "known_hosts", "|1|abc=|def= ssh-ed25519 ", "",
		    "knownhosts ssh-ed25519 256  1|", 0, 0 },
		{ "known_hosts", "@cert-authority *.x ssh-ed25519 ", " ca",
		    "knownhosts ssh-ed25519 256 ca 1|", 0, 0 },
		{ "known_hosts", "ssh-ed25519 ", "", "", 1, 0 },
		{ "id.pub", "ssh-ed25519 AAAA", "", "", 0, 1 },
	};
	struct buf blob, text, b64;
	struct told t;
	size_t i;

	buf_init(&blob, 65536);
	buf_init(&text, 65536);
	buf_init(&b64, 65536);
	make_ed25519(&blob, "ssh-ed25519", false);
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		buf_clear(&text);
		buf_add_str(&text, table[i].before);
		buf_add_str(&text, base64(&b64, &blob));
		buf_add_str(&text, table[i].after);
		read_file(table[i].file, text.data, text.len, &t);
		assert_string_equal(t.text, table[i].want);
		assert_int_equal(t.damaged, table[i].damaged);
		assert_int_equal(t.not, table[i].not );
	}
	buf_release(&blob);
	buf_release(&text);
	buf_release(&b64);
}

static void
test_blobs(void **state)
{
	struct ssh_public k;
	struct buf blob;
	uint8_t *copy;
	size_t i;

	buf_init(&blob, 65536);
	make_ed25519(&blob, "sk-ssh-ed25519@openssh.com", true);
	assert_int_equal(ssh_public_parse(blob.data, blob.len, &k, NULL), 0);
	assert_string_equal(k.type, "sk-ssh-ed25519@openssh.com");
	assert_true(k.plain.len == blob.len &&
	    memcmp(k.plain.data, blob.data, blob.len) == 0);
	ssh_public_release(&k);
	for (i = 0; i < blob.len; i++) {
		copy = malloc(i + 1);
		assert_non_null(copy);
		memcpy(copy, blob.data, i);
		assert_int_equal(
		    ssh_public_parse(copy, i, &k, NULL), ERR_INVALID);
		free(copy);
	}
	buf_add_u8(&blob, 0);
	assert_int_equal(
	    ssh_public_parse(blob.data, blob.len, &k, NULL), ERR_INVALID);
	buf_clear(&blob);
	make_ed25519(&blob, "ssh-unknown", false);
	assert_int_equal(
	    ssh_public_parse(blob.data, blob.len, &k, NULL), ERR_UNSUPPORTED);
	/* a number that is negative, or longer than it must be */
	buf_clear(&blob);
	buf_add_field(&blob, "ssh-rsa", 7);
	buf_add_field(&blob, "\x01\x00\x01", 3);
	buf_add_field(&blob, "\x80", 1);
	assert_int_equal(
	    ssh_public_parse(blob.data, blob.len, &k, NULL), ERR_INVALID);
	buf_release(&blob);
}

static void
test_numbers(void **state)
{
	struct buf b;

	assert_int_equal(ssh_mpint_bits((const uint8_t *)"\0\x80", 2), 8);
	assert_int_equal(ssh_mpint_bits((const uint8_t *)"\x01\xff", 2), 9);
	assert_int_equal(ssh_mpint_bits((const uint8_t *)"\0\0", 2), 0);
	buf_init(&b, 64);
	ssh_add_mpint(&b, (const uint8_t *)"\0\0\x80", 3);
	assert_memory_equal(b.data, "\0\0\0\x02\0\x80", 6);
	buf_clear(&b);
	ssh_add_mpint(&b, (const uint8_t *)"\0", 1);
	assert_memory_equal(b.data, "\0\0\0\0", 4);
	buf_release(&b);
}

/* SEQUENCE { 0, n, e, d }: enough of PKCS #1. */
static const char rsa[] = "-----BEGIN RSA PRIVATE KEY-----\n"
			  "MA8CAQACAgCAAgMBAAECAQE=\n"
			  "-----END RSA PRIVATE KEY-----\n";

static const char public_rsa[] = "-----BEGIN RSA PUBLIC KEY-----\n"
				 "MAkCAgCAAgMBAAE=\n"
				 "-----END RSA PUBLIC KEY-----\n";
/* The same in SEQUENCE { SEQUENCE { OID, NULL }, BIT STRING }. */
static const char public_spki[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MB0wDQYJKoZIhvcNAQEBBQADDAAwCQICAIACAwEAAQ==\n"
    "-----END PUBLIC KEY-----\n";
static const char public_ssh2[] = "---- BEGIN SSH2 PUBLIC KEY ----\n"
				  "x-y: A\\\nAAAA\nComment: \"me\"\n"
				  "AAAAB3NzaC1yc2EAAAADAQABAAAAAgCA\n"
				  "---- END SSH2 PUBLIC KEY ----\n";

static void
test_public(void **state)
{
	static const struct {
		const char *text, *want;
	} table[] = {
		{ public_rsa, "public ssh-rsa 8  0|" },
		{ public_spki, "public ssh-rsa 8  0|" },
		{ public_ssh2, "public ssh-rsa 8 me 0|" },
	};
	const char *text;
	struct told t;
	size_t i, k, begun;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		text = table[i].text;
		read_file("x", text, strlen(text), &t);
		assert_string_equal(t.text, table[i].want);
		assert_int_equal(t.not, 0);
		begun = (size_t)(strchr(text, '\n') - text);
		for (k = 0; k < strlen(text) - 1; k++) {
			read_file("x", text, k, &t);
			assert_int_equal(t.keys, 0);
			assert_int_equal(t.not, k >= begun);
		}
	}
	/* of one kind's marks with the other's words */
	text = "-----BEGIN SSH2 PUBLIC KEY-----\nAAAA\n"
	       "---- BEGIN PUBLIC KEY ----\nAAAA\n";
	read_file("x", text, strlen(text), &t);
	assert_true(t.keys == 0 && t.not == 0);
	text = "---- BEGIN SSH2 PUBLIC KEY ----\n"
	       "---- END SSH2 PUBLIC KEY ----\n";
	read_file("x", text, strlen(text), &t);
	assert_true(t.keys == 0 && t.not == 1);
}

static void
test_private(void **state)
{
	static const char encrypted[] = "x\n-----BEGIN EC PRIVATE KEY-----\n"
					"Proc-Type: 4,ENCRYPTED\n"
					"DEK-Info: AES-128-CBC,00\n\nAAAA\n"
					"-----END EC PRIVATE KEY-----";
	char text[sizeof(rsa) * 2 + sizeof(encrypted)];
	struct told t;
	size_t i;

	read_file("x", rsa, sizeof(rsa) - 1, &t);
	assert_string_equal(t.text, "private ssh-rsa 8  0|");
	read_file("x", encrypted, sizeof(encrypted) - 1, &t);
	assert_string_equal(t.text, "private - 0  0|");
	/* several in a file; a damaged one hides no other */
	snprintf(text, sizeof(text), "%.40s\n%s%s", rsa, rsa, encrypted);
	read_file("x", text, strlen(text), &t);
	assert_string_equal(t.text, "private ssh-rsa 8  0|private - 0  0|");
	assert_int_equal(t.not, 1);
	/* cut: told to be none, never a key */
	for (i = 0; i < sizeof(rsa) - 2; i++) {
		read_file("x", rsa, i, &t);
		assert_int_equal(t.keys, 0);
		assert_int_equal(t.not,
		    i >= strlen("-----BEGIN RSA PRIVATE "
				"KEY-----"));
	}
}

static void
test_bits(void **state)
{
	static const char *const texts[] = { rsa, public_rsa, public_spki,
		public_ssh2 };
	char copy[256];
	struct told t;
	size_t i, k, bit, len;

	for (k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
		len = strlen(texts[k]);
		assert_true(len < sizeof(copy));
		for (i = 0; i < len; i++) {
			for (bit = 0; bit < 8; bit++) {
				memcpy(copy, texts[k], len);
				copy[i] = (char)(copy[i] ^ (1 << bit));
				read_file("x", copy, len, &t);
				assert_true(t.keys + t.not <= 1);
			}
		}
	}
}

/* How far it came before a limit, whatever is shown. */
static void
test_print_end(void **state)
{
	static const struct {
		const char *module, *count, *says;
	} in[] = {
		{ "sshkey", "filescount", "812 files" },
		{ "file", "filescount", "812 files" },
		{ "memory", "processcount", "812 processes" },
	};
	char want[128];
	json_t *result;
	struct buf out;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		result = json_pack("{s:b,s:b,s:{s:[]},s:{s:i,s:s}}",
		    "foundanything", 0, "success", 1, "elements", "keys",
		    "statistics", in[i].count, 812, "endedat", "/root/a\n");
		assert_non_null(result);
		buf_init(&out, 4096);
		assert_int_equal(
		    module_find(in[i].module)
			->print(result, "h ", SHOW_FOUND, &out, &e),
		    0);
		snprintf(want, sizeof(want),
		    "h note: ended after %s, at /root/a\\x0a\n", in[i].says);
		assert_string_equal(buf_str(&out), want);
		buf_release(&out);
		json_decref(result);
	}
}

static int64_t
cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Anybody may have such a file: it takes no more time than its bytes, and a
 * stop ends it. */
static void
test_begins_only(void **state)
{
	static const char begin[] = "-----BEGIN RSA PRIVATE KEY-----\n";
	size_t len = sizeof(begin) - 1, n = 30000, i;
	char *text = malloc(n * len);
	int64_t before = cpu_ms();
	struct told t;

	assert_non_null(text);
	for (i = 0; i < n; i++)
		memcpy(text + i * len, begin, len);
	read_file("id", text, n * len, &t);
	assert_int_equal(t.not, n);
	assert_in_range(cpu_ms() - before, 0, 2000);
	enough = 100;
	read_file("id", text, n * len, &t);
	enough = 0;
	assert_int_equal(t.not, 100);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print_end),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_blobs),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_public),
		cmocka_unit_test(test_private),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_begins_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
