/* SPDX-License-Identifier: MPL-2.0 */
/* mig-agent --once: one envelope through the same examination, journal and
 * workers as in the daemon; there is no way round any of them. */
#include "agent/monitor/once.h"

#include "action/refusal.h"
#include "action/result.h"
#include "agent/monitor/exam.h"
#include "agent/monitor/job.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/role.h"
#include "base/err.h"
#include "base/file.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "base/str.h"
#include "modules/module.h"
#include "proc/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (4 * 1024 * 1024)
#define OUTPUT_MAX (128 * 1024 * 1024)
#define EXIT_REFUSED 3

struct once {
	struct buf file;
	struct id id; /* of the examined action */
	bool over;
};

static void
end(struct agent *a, int code)
{
	struct once *o = a->hook;

	o->over = true;
	a->exit_code = code;
	proc_loop_stop(a->loop);
}

static const char *
part_word(uint8_t status)
{
	static const char *const words[] = { "unknown", "done", "failed",
		"timeout", "limit", "interrupted" };

	return status < sizeof(words) / sizeof(words[0]) ? words[status]
							 : words[0];
}

static void
complain(struct agent *a, const char *what)
{
	fprintf(stderr, "mig-agent: %s\n", what);
	end(a, 1);
}

static void
print_and_end(struct agent *a, struct buf *out, int code)
{
	struct err e;

	err_clear(&e);
	buf_add_u8(out, '\n');
	if (out->error != 0)
		err_code(&e, out->error, "the answer");
	else if (fd_write_all(STDOUT_FILENO, out->data, out->len, &e) != 0)
		err_wrap(&e, "the answer");
	buf_release(out);
	if (e.code != 0)
		complain(a, e.msg);
	else
		end(a, code);
}

static void
once_done(struct agent *a, const struct job *job)
{
	const struct once *o = a->hook;
	const struct job_part *p;
	struct jsonw w;
	struct buf out;
	size_t i;

	if (!id_equal(&job->verdict.id, &o->id))
		return;
	buf_init(&out, OUTPUT_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "action", id_hex(&job->verdict.id).s);
	jsonw_str(&w, "status", job->stopped ? "stopped" : "done");
	jsonw_array(&w, "operations");
	for (i = 0; i < job->verdict.noperations; i++) {
		const char *name = module_name(job->verdict.modules[i]);

		p = &job->parts[i];
		jsonw_object(&w, NULL);
		jsonw_str(&w, "module", name == NULL ? "?" : name);
		jsonw_str(&w, "status", part_word(p->status));
		/* a part that was cut short may still be a whole answer */
		if (p->status == PART_DONE || (p->len > 0 && p->data[0] == '{'))
			jsonw_raw(&w, "result", p->data, p->len);
		else
			jsonw_strn(&w, "text", p->data, p->len);
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	print_and_end(a, &out, 0);
}

static void
once_refused(struct agent *a, const struct id *id, unsigned int reason,
    const char *detail)
{
	struct jsonw w;
	struct buf out;

	buf_init(&out, 65536);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "action", id_hex(id).s);
	jsonw_str(&w, "status", reason == 0 ? "known" : "refused");
	if (reason != 0) {
		jsonw_i64(&w, "reason", (int64_t)reason);
		jsonw_str(&w, "text", refusal_text(reason));
	}
	jsonw_str(&w, "detail", detail);
	jsonw_object_end(&w);
	print_and_end(a, &out, EXIT_REFUSED);
}

static void
on_pieces(int code, const void *body, size_t len, void *arg)
{
	struct agent *a = arg;
	char text[MSG_TEXT_MAX];
	struct once *o = a->hook;
	struct envelope env;
	struct rd r, copy;

	rd_init(&r, body, len);
	if (code != 0) {
		snprintf(text, sizeof(text),
		    "the envelope could not be taken apart: %.400s",
		    role_why(a->judge));
		complain(a, text);
		return;
	}
	if (rd_u8(&r) != 1) {
		rd_field_str(&r, text, sizeof(text));
		once_refused(a, &o->id, REFUSAL_MALFORMED, text);
		return;
	}
	copy = r;
	if (msg_pieces_parse(&copy, &env) == 0)
		purpose_hash(PURPOSE_ACTION, env.doc, env.doc_len, &o->id);
	if (exam_submit(a->exam, EXAM_ONCE, r.p, r.left) != 0)
		complain(a, "the envelope is malformed");
}

static void
once_ready(struct agent *a)
{
	struct once *o = a->hook;
	struct err e;

	err_clear(&e);
	if (agent_recover(a, &e) != 0)
		log_error("recover why=%s", log_quote(e.msg));
	if (role_ask(a->judge, MSG_JUDGE_SPLIT, MSG_JUDGE_PIECES, o->file.data,
		o->file.len, on_pieces, a) != 0)
		complain(a, "the envelope is too large");
}

static void
once_failed(struct agent *a, const char *role, const char *why)
{
	fprintf(stderr, "mig-agent: %s does not start: %s\n", role, why);
	end(a, 1);
}

int
once_main(const char *conf_path, const char *file)
{
	struct once o;
	struct agent a;
	struct err e;
	int rc;

	memset(&o, 0, sizeof(o));
	memset(&a, 0, sizeof(a));
	err_clear(&e);
	buf_init(&o.file, FILE_MAX);
	a.state.lock = -1;
	rc = file_read(file, &o.file, &e);
	if (rc == 0)
		rc = agent_open(&a, MODE_ONCE, conf_path, &e);
	if (rc == 0) {
		a.hook = &o;
		a.on_ready = once_ready;
		a.on_failed = once_failed;
		a.on_done = once_done;
		a.on_refused = once_refused;
		rc = agent_start_roles(&a, &e);
	}
	if (rc == 0) {
		a.exit_code = 1;
		(void)proc_loop_run(a.loop);
		rc = a.exit_code;
	} else {
		fprintf(stderr, "mig-agent: %s\n", e.msg);
		rc = 1;
	}
	buf_release(&o.file);
	agent_close(&a);
	return rc;
}
