/* SPDX-License-Identifier: MPL-2.0 */
/* Topics and messages: every form there and back, and as it is on the wire;
 * every bend of it refused. */
#include "mqtt/wire.h"

#include "../known.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct id
some_id(uint8_t fill)
{
	struct id id;

	memset(id.b, fill, sizeof(id.b));
	return id;
}

static void
topics_there_and_back(void **state)
{
	struct id agent = some_id(0xab), got;
	char topic[WIRE_TOPIC_MAX];
	enum wire_topic t;
	int i;

	for (i = WIRE_ALL; i <= WIRE_PRESENCE; i++) {
		wire_topic_write((enum wire_topic)i, &agent, topic);
		assert_int_equal(wire_topic_parse(topic, &t, &got), 0);
		assert_int_equal(t, i);
		if (i != WIRE_ALL)
			assert_true(id_equal(&got, &agent));
	}
}

static void
topics_known(void **state)
{
	static const char *const want[] = {
		[WIRE_ALL] = "mig/1/all",
		[WIRE_IN] = "mig/1/a/" X32("ab") "/in",
		[WIRE_OUT] = "mig/1/a/" X32("ab") "/out",
		[WIRE_HELLO] = "mig/1/a/" X32("ab") "/hello",
		[WIRE_PRESENCE] = "mig/1/a/" X32("ab") "/presence",
	};
	struct id agent = some_id(0xab);
	char topic[WIRE_TOPIC_MAX];
	int i;

	for (i = WIRE_ALL; i <= WIRE_PRESENCE; i++) {
		wire_topic_write((enum wire_topic)i, &agent, topic);
		assert_string_equal(topic, want[i]);
	}
}

#define HEX32 "abababababababababababababababab"

static void
topics_refused(void **state)
{
	static const char *const bad[] = { "", "mig", "mig/1/al", "mig/1/all/",
		"mig/2/all", "mig/1/a/", "mig/1/a/" HEX32 "/in",
		"mig/1/a/" HEX32 HEX32, "mig/1/a/" HEX32 HEX32 "/",
		"mig/1/a/" HEX32 HEX32 "/inn", "mig/1/a/" HEX32 HEX32 "in",
		"mig/1/a/" HEX32 HEX32 "/#", "mig/1/a/" HEX32 HEX32 "/in/x",
		"mig/1/a/ABABABABABABABABABABABABABABABAB" HEX32 "/in",
		"mig/1/a/" HEX32 "gbababababababababababababababab/in", "#",
		"$SYS/x" };
	enum wire_topic t = WIRE_OUT;
	struct id id;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
		    wire_topic_parse(bad[i], &t, &id), ERR_INVALID);
	assert_int_equal(t, WIRE_OUT);
}

static const uint8_t bytes[] = "payload";

static size_t
samples(struct wire_msg *m)
{
	size_t n = 0;

	m[n++] =
	    (struct wire_msg){ .type = WIRE_ENVELOPE, .data = bytes, .len = 7 };
	m[n++] = (struct wire_msg){ .type = WIRE_ANNOUNCE,
		.id = some_id(1),
		.size = 500000,
		.hash = some_id(2) };
	m[n++] = (struct wire_msg){ .type = WIRE_ENVELOPE_PART,
		.id = some_id(3),
		.part = 4,
		.of = 5,
		.data = bytes,
		.len = 7 };
	m[n++] = (struct wire_msg){ .type = WIRE_ACK,
		.id = some_id(4),
		.part = 0,
		.of = 1,
		.complete = true };
	m[n++] = (struct wire_msg){ .type = WIRE_WELCOME,
		.id = some_id(5),
		.time_ms = 1795448559123,
		.spread_ms = 5000,
		.protocol = 1 };
	m[n++] =
	    (struct wire_msg){ .type = WIRE_CANCEL, .data = bytes, .len = 7 };
	m[n++] = (struct wire_msg){ .type = WIRE_ANSWER_PART,
		.id = some_id(6),
		.part = 65534,
		.of = 65535,
		.data = bytes,
		.len = 1 };
	m[n++] =
	    (struct wire_msg){ .type = WIRE_WANT, .id = some_id(7), .part = 9 };
	m[n++] = (struct wire_msg){ .type = WIRE_POLICY,
		.id = some_id(8),
		.size = 70000,
		.hash = some_id(9) };
	m[n++] = (struct wire_msg){ .type = WIRE_POLICY_PART,
		.id = some_id(10),
		.part = 0,
		.of = 1,
		.data = bytes,
		.len = 7 };
	m[n++] = (struct wire_msg){
		.type = WIRE_WANT_POLICY, .id = some_id(11), .part = 1
	};
	m[n++] = (struct wire_msg){ .type = WIRE_ROLL_CALL, .spread_ms = 5000 };
	m[n++] =
	    (struct wire_msg){ .type = WIRE_RENEW, .data = bytes, .len = 7 };
	m[n++] = (struct wire_msg){
		.type = WIRE_CERTIFICATE, .data = bytes, .len = 7
	};
	return n;
}

static void
messages_there_and_back(void **state)
{
	struct wire_msg m[16], got;
	size_t i, n = samples(m);
	struct buf b;

	for (i = 0; i < n; i++) {
		buf_init(&b, WIRE_MESSAGE_MAX);
		assert_int_equal(wire_write(&m[i], &b), 0);
		assert_int_equal(wire_parse(b.data, b.len, &got, NULL), 0);
		assert_int_equal(got.type, m[i].type);
		assert_true(id_equal(&got.id, &m[i].id));
		assert_true(id_equal(&got.hash, &m[i].hash));
		assert_int_equal(got.part, m[i].part);
		assert_int_equal(got.of, m[i].of);
		assert_int_equal(got.size, m[i].size);
		assert_int_equal(got.complete, m[i].complete);
		assert_int_equal(got.time_ms, m[i].time_ms);
		assert_int_equal(got.spread_ms, m[i].spread_ms);
		assert_int_equal(got.protocol, m[i].protocol);
		assert_int_equal(got.len, m[i].len);
		if (m[i].len > 0)
			assert_memory_equal(got.data, m[i].data, m[i].len);
		buf_release(&b);
	}
}

/* Written by hand from doc/protocol.md section 4: what agents and servers of
 * other versions read. */
static void
messages_known(void **state)
{
#define PAYLOAD "7061796c6f6164"
	static const char *const want[] = {
		"01" PAYLOAD,
		"02" X32("01") "0007a120" X32("02"),
		"03" X32("03") "00040005" PAYLOAD,
		"04" X32("04") "0000000101",
		"05000001a20912d6130000138801" X32("05"),
		"08" PAYLOAD,
		"10" X32("06") "fffeffff70",
		"11" X32("07") "0009",
		"09" X32("08") "00011170" X32("09"),
		"0a" X32("0a") "00000001" PAYLOAD,
		"13" X32("0b") "0001",
		"0700001388",
		"12" PAYLOAD,
		"06" PAYLOAD,
	};
	struct wire_msg m[16];
	size_t i, n = samples(m);
	struct buf b;

	assert_int_equal(n, sizeof(want) / sizeof(want[0]));
	for (i = 0; i < n; i++) {
		buf_init(&b, WIRE_MESSAGE_MAX);
		assert_int_equal(wire_write(&m[i], &b), 0);
		assert_string_equal(hex_of(b.data, b.len), want[i]);
		buf_release(&b);
	}
}

/* Cut anywhere, or with a byte more, a message of fixed size is refused; one
 * that ends in bytes must keep at least one of them. */
static void
messages_cut_and_extended(void **state)
{
	struct wire_msg m[16], got;
	size_t i, cut, n = samples(m);
	bool open_end;
	struct buf b;

	for (i = 0; i < n; i++) {
		buf_init(&b, WIRE_MESSAGE_MAX);
		assert_int_equal(wire_write(&m[i], &b), 0);
		open_end = m[i].len > 0;
		for (cut = 0; cut < b.len - m[i].len + open_end; cut++)
			assert_int_not_equal(
			    wire_parse(b.data, cut, &got, NULL), 0);
		buf_add_u8(&b, 0);
		assert_int_equal(
		    wire_parse(b.data, b.len, &got, NULL) == 0, open_end);
		buf_release(&b);
	}
}

static void
messages_refused(void **state)
{
	struct wire_msg got,
	    part = { .type = WIRE_ANSWER_PART,
		    .part = 1,
		    .of = 1,
		    .data = bytes,
		    .len = 7 };
	struct wire_msg big = { .type = WIRE_ENVELOPE,
		.len = WIRE_PART_MAX + 1 };
	uint8_t *room = calloc(1, WIRE_MESSAGE_MAX + 1);
	struct buf b;
	struct err e;

	err_clear(&e);
	buf_init(&b, 2 * WIRE_MESSAGE_MAX);
	assert_int_equal(wire_write(&part, &b), 0);
	assert_int_equal(wire_parse(b.data, b.len, &got, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "malformed"));
	big.data = room;
	assert_int_equal(wire_write(&big, &b), ERR_TOOBIG);
	room[0] = WIRE_ENVELOPE;
	assert_int_equal(
	    wire_parse(room, WIRE_MESSAGE_MAX + 1, &got, &e), ERR_TOOBIG);
	assert_int_equal(
	    wire_parse(room, WIRE_PART_MAX + 2, &got, &e), ERR_INVALID);
	room[0] = 99;
	assert_int_equal(wire_parse(room, 10, &got, &e), ERR_UNSUPPORTED);
	assert_int_equal(wire_parse(room, 0, &got, &e), ERR_INVALID);
	/* an acknowledgement whose flag is neither 0 nor 1 */
	memset(room, 0, 64);
	room[0] = WIRE_ACK;
	room[36] = 1;
	room[37] = 2;
	assert_int_equal(wire_parse(room, 38, &got, &e), ERR_INVALID);
	room[37] = 1;
	assert_int_equal(wire_parse(room, 38, &got, &e), 0);
	free(room);
	buf_release(&b);
}

static void
presence(void **state)
{
	uint8_t p[9];
	uint64_t connection;
	bool online;

	wire_presence_write(true, 0x0102030405060708, p);
	assert_string_equal(hex_of(p, 9), "010102030405060708");
	assert_int_equal(wire_presence_parse(p, 9, &online, &connection), 0);
	assert_true(online);
	assert_true(connection == 0x0102030405060708);
	assert_int_equal(
	    wire_presence_parse(p, 8, &online, &connection), ERR_INVALID);
	p[0] = 2;
	assert_int_equal(
	    wire_presence_parse(p, 9, &online, &connection), ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(topics_there_and_back),
		cmocka_unit_test(topics_known),
		cmocka_unit_test(topics_refused),
		cmocka_unit_test(messages_there_and_back),
		cmocka_unit_test(messages_known),
		cmocka_unit_test(messages_cut_and_extended),
		cmocka_unit_test(messages_refused),
		cmocka_unit_test(presence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
