/* SPDX-License-Identifier: MPL-2.0 */
/* Api: enrolment, which needs no session. */
#include "server/api/api.h"
#include "server/api/resources.h"

#include "server/parse.h"

#include <string.h>

void
res_enrol(struct request *q)
{
	struct enrol_body b;
	struct buf msg;
	struct err e;
	json_t *v;

	if ((v = request_json(q)) == NULL)
		return;
	if (enrol_body_read(v, &b, &e) != 0) {
		reply_err(q, &e);
	} else {
		buf_init(&msg, MSG_BODY_MAX);
		buf_add(&msg, b.token.b, ID_LEN);
		buf_add(&msg, b.pub, sizeof(b.pub));
		buf_add(&msg, b.sig, sizeof(b.sig));
		buf_add_field(&msg, b.document, strlen(b.document));
		core_ask(q, MSG_ENROL, &msg);
		buf_release(&msg);
	}
	json_decref(v);
}
