/* SPDX-License-Identifier: MPL-2.0 */
/* Core: replies to the api, and what an error looks like in one. */
#include "server/core/core.h"

#include "base/jsonw.h"
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#define JSON_MAX MSG_REPLY_MAX

/* Nobody shall wait for it for ever: the api tells all who wait that they have
 * to ask again, and has the parent connect us anew. */
static void
reply_lost(struct core *c, uint32_t request)
{
	log_error("reply_lost request=%u", request);
	ipc_chan_free(c->api);
	c->api = NULL;
}

void
core_reply(struct core *c, uint32_t request, int status, const struct buf *json)
{
	struct buf out;

	if (c->api == NULL || request == 0)
		return;
	buf_init(&out, JSON_MAX);
	buf_add_u16(&out, (uint16_t)status);
	buf_add(&out, json->data, json->len);
	if (out.error != 0 || json->error != 0 ||
	    ipc_chan_send(c->api, MSG_REPLY, request, out.data, out.len) != 0)
		reply_lost(c, request);
	buf_release(&out);
}

void
core_reply_done(struct core *c, uint32_t request, int status)
{
	struct buf out;

	buf_init(&out, 2);
	buf_add_str(&out, "{}");
	core_reply(c, request, status, &out);
	buf_release(&out);
}

void
error_json(struct buf *out, const char *code, const char *message)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_object(&w, "error");
	jsonw_str(&w, "code", code);
	jsonw_str(&w, "message", message);
	jsonw_object_end(&w);
	jsonw_object_end(&w);
}

void
core_refuse(struct core *c, uint32_t request, int status, const char *code,
    const char *fmt, ...)
{
	char message[ERR_MSG_MAX];
	struct buf json;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	buf_init(&json, JSON_MAX);
	error_json(&json, code, message);
	core_reply(c, request, status, &json);
	buf_release(&json);
}

void
core_refuse_err(struct core *c, uint32_t request, const struct err *e)
{
	static const struct {
		int err, status;
		const char *code;
	} table[] = {
		{ ERR_INVALID, 400, "invalid" },
		{ ERR_TOOBIG, 413, "too_large" },
		{ ERR_NOTFOUND, 404, "not_found" },
		{ ERR_EXISTS, 409, "exists" },
		{ ERR_DENIED, 403, "denied" },
		{ ERR_AUTH, 403, "not_verified" },
		{ ERR_EXPIRED, 403, "expired" },
		{ ERR_BUSY, 503, "busy" },
		{ ERR_FULL, 507, "storage" },
		{ ERR_IO, 503, "storage" },
		{ ERR_NOMEM, 503, "busy" },
		{ ERR_UNSUPPORTED, 400, "unsupported" },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].err != e->code)
			continue;
		core_refuse(
		    c, request, table[i].status, table[i].code, "%s", e->msg);
		return;
	}
	core_refuse(c, request, 500, "internal", "%s", e->msg);
}
