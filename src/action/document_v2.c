/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Action files of the original's format (syntaxversion 2). They are old files
 * of a person, read by that person's own mig: fields of ours are strict, what
 * the original's programs filled in (ids, counters, signatures) is ignored.
 */
#include "action/document.h"

#include "base/err.h"
#include "base/hex.h"
#include "json/json.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define V2_TEXT_MAX (4 * 1024 * 1024)
#define V2_PARAMS_MAX (1024 * 1024)

/* One gzip member, nothing after it, at most out->max bytes. */
static int
gunzip(const void *data, size_t len, struct buf *out, struct err *e)
{
	z_stream z = { 0 };
	uint8_t one[4096];
	int rc;

	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return err_set(e, ERR_NOMEM, "out of memory");
	z.next_in = (Bytef *)(uintptr_t)data; /* zlib's type lacks the const */
	z.avail_in = (uInt)len;
	do {
		z.next_out = one;
		z.avail_out = sizeof(one);
		rc = inflate(&z, Z_NO_FLUSH);
		buf_add(out, one, sizeof(one) - z.avail_out);
	} while (rc == Z_OK && out->error == 0);
	inflateEnd(&z);
	if (out->error != 0)
		return err_set(
		    e, out->error, "unpacks to more than %zu bytes", out->max);
	if (rc != Z_STREAM_END || z.avail_in != 0)
		return err_set(e, ERR_INVALID, "not one whole gzip stream");
	return 0;
}

/* base64(gzip(JSON)) -> owned value. */
static json_t *
unpack_parameters(const char *text, struct err *e)
{
	struct buf packed, plain;
	json_t *v = NULL;

	buf_init(&packed, V2_TEXT_MAX);
	buf_init(&plain, V2_PARAMS_MAX);
	if (b64_decode(&packed, text, strlen(text)) != 0)
		err_set(e, packed.error == ERR_NOMEM ? ERR_NOMEM : ERR_INVALID,
		    packed.error == ERR_NOMEM ? "out of memory" : "not base64");
	else if (gunzip(packed.data, packed.len, &plain, e) == 0)
		v = json_strict(plain.data, plain.len, V2_PARAMS_MAX, e);
	buf_release(&packed);
	buf_release(&plain);
	return v;
}

/* Appends {module, parameters} to list. */
static int
convert_operation(const json_t *op, size_t i, json_t *list, struct err *e)
{
	const char *module;
	json_t *params, *made;
	bool packed = false;
	char where[32];
	int rc;

	snprintf(where, sizeof(where), "operations[%zu]", i);
	if ((rc = json_need_str(op, where, "module", &module, e)) != 0 ||
	    (rc = json_opt_bool(op, where, "is_compressed", &packed, e)) != 0)
		return rc;
	params = json_object_get(op, "parameters");
	if (params == NULL)
		return err_set(e, ERR_INVALID, "%s.parameters: missing", where);
	if (!packed) {
		json_incref(params);
	} else {
		if (!json_is_string(params))
			return err_set(e, ERR_INVALID,
			    "%s.parameters: expected a string, as "
			    "is_compressed is true",
			    where);
		params = unpack_parameters(json_string_value(params), e);
		if (params == NULL) {
			rc = err_wrap(e, "%s.parameters", where);
			return rc == ERR_TOOBIG ? rc : ERR_INVALID;
		}
	}
	made = json_object();
	if (json_object_set_new(made, "parameters", params) != 0 ||
	    json_object_set_new(made, "module", json_string(module)) != 0 ||
	    json_array_append_new(list, made) != 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

static int
convert_operations(const json_t *root, json_t *out, struct err *e)
{
	json_t *list, *made;
	size_t i, n;
	int rc;

	rc = json_need_array(root, "", "operations", &list, e);
	if (rc != 0)
		return rc;
	n = json_array_size(list);
	if (n < 1 || n > ACTION_OPERATIONS_MAX)
		return err_set(e, ERR_INVALID,
		    "operations: %zu, expected 1 to %d", n,
		    ACTION_OPERATIONS_MAX);
	made = json_array();
	if (json_object_set_new(out, "operations", made) != 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; i < n; i++) {
		rc = convert_operation(json_array_get(list, i), i, made, e);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Keeps the members our format knows; a revision may be a fraction there. */
static int
convert_notes(const json_t *root, const char *key, const char *const *members,
    json_t *out, struct err *e)
{
	json_t *o = NULL, *v, *made;
	int rc;

	rc = json_opt_object(root, "", key, &o, e);
	if (rc != 0 || o == NULL)
		return rc;
	made = json_object();
	for (; *members != NULL; members++) {
		v = json_object_get(o, *members);
		if (json_is_real(v) && json_real_value(v) > -1e15 &&
		    json_real_value(v) < 1e15)
			rc = json_object_set_new(made, *members,
			    json_integer((json_int_t)json_real_value(v)));
		else if (json_is_string(v) || json_is_integer(v))
			rc = json_object_set(made, *members, v);
		if (rc != 0)
			break;
	}
	if (rc != 0 || made == NULL || json_object_size(made) == 0) {
		json_decref(made);
		return rc == 0 ? 0 : err_set(e, ERR_NOMEM, "out of memory");
	}
	if (json_object_set_new(out, key, made) != 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

static int
convert(const json_t *root, json_t *out, struct err *e)
{
	static const char *const notes[] = { "author", "email", "url",
		"revision", NULL };
	static const char *const threat[] = { "ref", "level", "family", "type",
		NULL };
	const char *name, *target = NULL;
	int64_t version;
	int rc;

	if ((rc = json_need_int(
		 root, "", "syntaxversion", 2, 2, &version, e)) != 0 ||
	    (rc = json_need_str(root, "", "name", &name, e)) != 0 ||
	    (rc = json_opt_str(root, "", "target", &target, e)) != 0)
		return rc;
	if (json_object_set_new(out, "name", json_string(name)) != 0 ||
	    (target != NULL &&
		json_object_set_new(out, "target", json_string(target)) != 0))
		return err_set(e, ERR_NOMEM, "out of memory");
	if ((rc = convert_notes(root, "description", notes, out, e)) != 0 ||
	    (rc = convert_notes(root, "threat", threat, out, e)) != 0)
		return rc;
	return convert_operations(root, out, e);
}

int
action_read_v2(const void *text, size_t len, struct action_draft *d,
    json_t **ret_root, struct err *e)
{
	json_t *root, *out;
	int rc;

	root = json_strict(text, len, V2_TEXT_MAX, e);
	if (root == NULL)
		return len > V2_TEXT_MAX ? ERR_TOOBIG : ERR_INVALID;
	out = json_object();
	rc = out == NULL ? err_set(e, ERR_NOMEM, "out of memory")
			 : convert(root, out, e);
	json_decref(root);
	if (rc != 0) {
		json_decref(out);
		return rc;
	}
	d->name = json_string_value(json_object_get(out, "name"));
	d->target = json_string_value(json_object_get(out, "target"));
	d->description = json_object_get(out, "description");
	d->threat = json_object_get(out, "threat");
	d->operations = json_object_get(out, "operations");
	*ret_root = out;
	return 0;
}
