/* SPDX-License-Identifier: MPL-2.0 */
/* Armour: what gpg and people make of it, and every damaged byte. */
#include "action/envelope.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* "hello" armoured; CRC-24 0x47f58a computed by hand from RFC 4880's
 * algorithm and by gpg --enarmor */
#define BODY "aGVsbG8=\n=" CRC "\n"
#define CRC "R/WK"
#define BEGIN "-----BEGIN PGP SIGNATURE-----\n"
#define END "-----END PGP SIGNATURE-----\n"
#define SSH_BEGIN "-----BEGIN SSH SIGNATURE-----\n"
#define SSH_END "-----END SSH SIGNATURE-----\n"
#define SSH_BODY "U1NIU0lHeHg="

static void
test_table(void **state)
{
	static const struct {
		const char *name, *in;
		int code;
		const char *want; /* bytes, or part of the message */
	} rows[] = {
		{ "plain", BEGIN "\n" BODY END, 0, "hello" },
		{ "headers", BEGIN "Version: x\nComment: y\n\n" BODY END, 0,
		    "hello" },
		{ "crlf",
		    "-----BEGIN PGP SIGNATURE-----\r\n\r\naGVsbG8=\r\n=" CRC
		    "\r\n-----END PGP SIGNATURE-----\r\n",
		    0, "hello" },
		{ "spaces",
		    "\n\n" BEGIN "  \naGVsbG8= \n=" CRC "\t\n" END "\n\n", 0,
		    "hello" },
		{ "no last newline",
		    BEGIN "\n" BODY "-----END PGP SIGNATURE-----", 0, "hello" },
		{ "no checksum", BEGIN "\naGVsbG8=\n" END, 0, "hello" },
		{ "split lines", BEGIN "\naGVs\nbG8=\n=" CRC "\n" END, 0,
		    "hello" },
		{ "empty", "", ERR_INVALID, "empty" },
		{ "blank", "\n \n", ERR_INVALID, "empty" },
		{ "no begin", "aGVsbG8=\n", ERR_INVALID,
		    "expected -----BEGIN" },
		{ "other block",
		    "-----BEGIN PGP MESSAGE-----\n\n" BODY
		    "-----END PGP MESSAGE-----\n",
		    ERR_INVALID, "line 1" },
		{ "no empty line", BEGIN BODY END, ERR_INVALID, "line 2" },
		{ "no end", BEGIN "\n" BODY, ERR_INVALID, "-----END" },
		{ "wrong end", BEGIN "\n" BODY "-----END PGP MESSAGE-----\n",
		    ERR_INVALID, "-----END" },
		{ "twice", BEGIN "\n" BODY END BEGIN "\n" BODY END, ERR_INVALID,
		    "something after" },
		{ "text after", BEGIN "\n" BODY END "x", ERR_INVALID,
		    "something after" },
		{ "text before", "x\n" BEGIN "\n" BODY END, ERR_INVALID,
		    "line 1" },
		{ "wrong checksum", BEGIN "\naGVsbG8=\n=AAAA\n" END,
		    ERR_INVALID, "checksum" },
		{ "bad checksum", BEGIN "\naGVsbG8=\n=!!!!\n" END, ERR_INVALID,
		    "line 4" },
		{ "two checksums", BEGIN "\naGVsbG8=\n=" CRC "\n=" CRC "\n" END,
		    ERR_INVALID, "line 5" },
		{ "body after checksum", BEGIN "\n=" CRC "\naGVsbG8=\n" END,
		    ERR_INVALID, "line 4" },
		{ "no body", BEGIN "\n" END, ERR_INVALID, "base64" },
		{ "not base64", BEGIN "\naGV$bG8=\n" END, ERR_INVALID,
		    "base64" },
		{ "empty line in it", BEGIN "\naGVs\n\nbG8=\n" END, ERR_INVALID,
		    "line 4" },
		{ "ssh", SSH_BEGIN SSH_BODY "\n" SSH_END, 0, "SSHSIGxx" },
		{ "ssh, split", SSH_BEGIN "U1NI\nU0lHeHg=\n" SSH_END, 0,
		    "SSHSIGxx" },
		{ "ssh, blank line", SSH_BEGIN "\n" SSH_BODY "\n" SSH_END,
		    ERR_INVALID, "line 2" },
		{ "ssh, header", SSH_BEGIN "A: b\n" SSH_BODY "\n" SSH_END,
		    ERR_INVALID, "base64" },
		{ "ssh, checksum", SSH_BEGIN SSH_BODY "\n=" CRC "\n" SSH_END,
		    ERR_INVALID, "base64" },
		{ "ssh, end of pgp", SSH_BEGIN SSH_BODY "\n" END, ERR_INVALID,
		    "END SSH" },
		{ "pgp in ssh", SSH_BEGIN "aGVsbG8=\n" SSH_END, ERR_INVALID,
		    "no SSH signature" },
		{ "ssh in pgp", BEGIN "\n" SSH_BODY "\n" END, ERR_INVALID,
		    "no OpenPGP signature" },
		{ "ssh, twice",
		    SSH_BEGIN SSH_BODY "\n" SSH_END SSH_BEGIN SSH_BODY
				       "\n" SSH_END,
		    ERR_INVALID, "something after" },
	};
	struct buf out;
	struct err e;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_init(&out, SIGPACKET_MAX);
		err_clear(&e);
		rc =
		    dearmor_signature(rows[i].in, strlen(rows[i].in), &out, &e);
		if (rc != rows[i].code)
			fail_msg("%s: %d %s", rows[i].name, rc, e.msg);
		if (rc == 0) {
			assert_int_equal(out.len, strlen(rows[i].want));
			assert_memory_equal(out.data, rows[i].want, out.len);
		} else {
			assert_int_equal(out.len, 0);
			if (strstr(e.msg, rows[i].want) == NULL)
				fail_msg("%s: %s", rows[i].name, e.msg);
		}
		buf_release(&out);
	}
}

static void
test_round_trip(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 47, 48, 49, 566, 4095, 4096 };
	uint8_t packet[SIGPACKET_MAX];
	struct buf text, back;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(packet); i++)
		packet[i] = (uint8_t)(i * 7 + i / 256);
	buf_init(&text, 65536);
	buf_init(&back, SIGPACKET_MAX);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		buf_clear(&text);
		buf_clear(&back);
		assert_int_equal(armor_signature(packet, sizes[i], &text), 0);
		if (dearmor_signature(
			(const char *)text.data, text.len, &back, &e) != 0)
			fail_msg("%zu: %s", sizes[i], e.msg);
		assert_int_equal(back.len, sizes[i]);
		assert_memory_equal(back.data, packet, sizes[i]);
	}
	memcpy(packet, "SSHSIG", 6);
	for (i = 3; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		buf_clear(&text);
		buf_clear(&back);
		assert_int_equal(armor_signature(packet, sizes[i], &text), 0);
		assert_memory_equal(
		    text.data, SSH_BEGIN "U1NIU0lH", sizeof(SSH_BEGIN) + 7);
		assert_int_equal(dearmor_signature((const char *)text.data,
				     text.len, &back, NULL),
		    0);
		assert_int_equal(back.len, sizes[i]);
		assert_memory_equal(back.data, packet, sizes[i]);
	}
	buf_clear(&text);
	assert_int_equal(armor_signature(packet, 0, &text), ERR_INVALID);
	assert_int_equal(
	    armor_signature(packet, sizeof(packet) + 1, &text), ERR_INVALID);
	buf_release(&text);
	buf_release(&back);
}

/* No flipped bit may give other bytes than the armoured ones. */
static void
test_bit_flips(void **state)
{
	static const char good[] = BEGIN "\n" BODY END;
	char text[sizeof(good)];
	struct buf out;
	size_t i, bit;

	buf_init(&out, SIGPACKET_MAX);
	for (i = 0; i < sizeof(good) - 1; i++) {
		for (bit = 0; bit < 8; bit++) {
			memcpy(text, good, sizeof(good));
			text[i] = (char)(text[i] ^ (1 << bit));
			buf_clear(&out);
			if (dearmor_signature(
				text, sizeof(good) - 1, &out, NULL) == 0) {
				assert_int_equal(out.len, 5);
				assert_memory_equal(out.data, "hello", 5);
			}
		}
	}
	buf_release(&out);
}

static void
test_sizes(void **state)
{
	size_t n = 64 * 1024, i;
	char *text = malloc(n);
	struct buf out;
	struct err e;

	assert_non_null(text);
	buf_init(&out, SIGPACKET_MAX);
	memset(text, 'A', n);
	assert_int_equal(dearmor_signature(text, n, &out, &e), ERR_TOOBIG);
	n = (size_t)snprintf(text, n, "%s\n", BEGIN);
	for (i = 0; i < 5600; i++)
		text[n++] = 'A';
	assert_int_equal(dearmor_signature(text, n, &out, &e), ERR_TOOBIG);
	assert_int_equal(dearmor_signature(BEGIN "\0\n" BODY END, 60, &out, &e),
	    ERR_INVALID);
	assert_int_equal(out.len, 0);
	buf_release(&out);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_bit_flips),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
