/* SPDX-License-Identifier: MPL-2.0 */
/* Files of the original's format, with compressed parameters and without. */
#include "action/document.h"

#include "base/err.h"
#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <zlib.h>

#define OP "{\"module\":\"file\",\"parameters\":{\"searches\":{}}}"

static void
test_table(void **state)
{
	static const struct {
		const char *in, *want; /* NULL: good */
	} rows[] = {
		{ "{\"syntaxversion\":2,\"name\":\"n\",\"target\":\"all\","
		  "\"operations\":[" OP "]}",
		    NULL },
		{ "{\"id\":6.1e18,\"syntaxversion\":2,\"name\":\"n\","
		  "\"operations\":[" OP "],\"pgpsignatures\":[\"x\"],"
		  "\"status\":\"done\",\"counters\":{\"sent\":1},"
		  "\"validfrom\":\"0001-01-01T00:00:00Z\"}",
		    NULL },
		{ "{\"syntaxversion\":2,\"name\":\"n\",\"description\":{"
		  "\"author\":\"a\",\"revision\":2.0,\"extra\":[]},"
		  "\"operations\":[" OP "]}",
		    NULL },
		{ "{\"syntaxversion\":3,\"name\":\"n\",\"operations\":[" OP
		  "]}",
		    "syntaxversion: 3" },
		{ "{\"name\":\"n\",\"operations\":[" OP "]}", "missing" },
		{ "{\"syntaxversion\":2,\"operations\":[" OP "]}",
		    "name: missing" },
		{ "{\"syntaxversion\":2,\"name\":\"n\"}",
		    "operations: missing" },
		{ "{\"syntaxversion\":2,\"name\":\"n\",\"operations\":[]}",
		    "operations: 0" },
		{ "{\"syntaxversion\":2,\"name\":\"n\",\"operations\":[1]}",
		    "operations[0]" },
		{ "{\"syntaxversion\":2,\"name\":\"n\",\"operations\":["
		  "{\"module\":\"x\"}]}",
		    "operations[0].parameters: missing" },
		{ "{\"syntaxversion\":2,\"name\":\"n\",\"operations\":["
		  "{\"module\":\"x\",\"parameters\":{},"
		  "\"is_compressed\":true}]}",
		    "expected a string" },
		{ "{\"syntaxversion\":2,\"name\":\"n\",\"operations\":["
		  "{\"module\":\"x\",\"parameters\":\"!!\","
		  "\"is_compressed\":true}]}",
		    "not base64" },
		{ "{\"syntaxversion\":2,\"name\":\"n\",\"operations\":["
		  "{\"module\":\"x\",\"parameters\":\"AAAA\","
		  "\"is_compressed\":true}]}",
		    "gzip" },
		{ "{\"syntaxversion\":2,\"name\":\"n\",\"name\":\"m\"}",
		    "duplicate" },
		{ "[]", "expected an object" },
		{ "", "empty" },
	};
	struct action_draft d;
	json_t *root;
	struct err e;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&d, 0, sizeof(d));
		err_clear(&e);
		root = NULL;
		rc = action_read_v2(
		    rows[i].in, strlen(rows[i].in), &d, &root, &e);
		if ((rc == 0) != (rows[i].want == NULL) ||
		    (rc != 0 && strstr(e.msg, rows[i].want) == NULL))
			fail_msg("%s: %d %s", rows[i].in, rc, e.msg);
		if (rc == 0) {
			assert_string_equal(d.name, "n");
			assert_int_equal(json_array_size(d.operations), 1);
		}
		if (i == 2) {
			assert_int_equal(json_object_size(d.description), 2);
			assert_int_equal(json_integer_value(json_object_get(
					     d.description, "revision")),
			    2);
		}
		json_decref(root);
	}
}

/* base64(gzip(plain)) as the parameters of one operation; then read. */
static int
read_packed(const void *plain, size_t len, size_t cut, const char *tail,
    json_t **ret, struct err *e)
{
	struct action_draft d = { 0 };
	struct buf text;
	uint8_t *packed;
	z_stream z = { 0 };
	json_t *root = NULL;
	size_t n;
	int rc;

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8,
			     Z_DEFAULT_STRATEGY),
	    Z_OK);
	n = deflateBound(&z, len);
	packed = malloc(n + 16);
	z.next_in = (Bytef *)(uintptr_t)plain;
	z.avail_in = (uInt)len;
	z.next_out = packed;
	z.avail_out = (uInt)n;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	n = z.total_out - cut;
	deflateEnd(&z);
	memcpy(packed + n, tail, strlen(tail));
	n += strlen(tail);
	buf_init(&text, 1024 * 1024);
	buf_add_str(&text,
	    "{\"syntaxversion\":2,\"name\":\"n\","
	    "\"operations\":[{\"module\":\"file\","
	    "\"is_compressed\":true,\"parameters\":\"");
	b64_encode(&text, packed, n);
	buf_add_str(&text, "\"}]}");
	rc = action_read_v2(text.data, text.len, &d, &root, e);
	*ret = root;
	free(packed);
	buf_release(&text);
	return rc;
}

static void
test_compressed(void **state)
{
	static const char params[] = "{\"searches\":{\"s\":{\"a\":[1]}}}";
	size_t big = 1024 * 1024 + 1;
	char *zeros = calloc(1, big);
	json_t *root;
	struct err e;

	assert_int_equal(
	    read_packed(params, sizeof(params) - 1, 0, "", &root, &e), 0);
	assert_non_null(json_object_get(
	    json_object_get(
		json_array_get(json_object_get(root, "operations"), 0),
		"parameters"),
	    "searches"));
	json_decref(root);
	assert_int_equal(
	    read_packed(params, sizeof(params) - 1, 3, "", &root, &e),
	    ERR_INVALID);
	assert_int_equal(
	    read_packed(params, sizeof(params) - 1, 0, "x", &root, &e),
	    ERR_INVALID);
	assert_int_equal(read_packed("{\"a\":1,\"a\":2}", 13, 0, "", &root, &e),
	    ERR_INVALID);
	assert_int_equal(read_packed("{", 1, 0, "", &root, &e), ERR_INVALID);
	/* a bomb: a kilobyte that would be a megabyte and more */
	memset(zeros, ' ', big);
	assert_int_equal(read_packed(zeros, big, 0, "", &root, &e), ERR_TOOBIG);
	assert_non_null(strstr(e.msg, "operations[0].parameters"));
	free(zeros);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_compressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
