/* SPDX-License-Identifier: MPL-2.0 */
/* What an endpoint may have sealed as the answer of a module: any bytes, for
 * each status, through the client's judgement and both of its printers. */
#include "client/print/answer.h"

#include "base/buf.h"
#include "base/err.h"
#include "modules/module.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
show(const struct answer *a)
{
	static const enum output_format formats[] = { OUTPUT_TEXT, OUTPUT_JSON,
		OUTPUT_CSV };
	struct output o;
	struct buf out;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		output_init(&o);
		o.format = formats[i];
		o.show = SHOW_ALL;
		buf_init(&out, 64 << 20);
		if (output_answer(&o, a, &out, &e) == 0)
			BUG_ON(out.len > 0 &&
			    memchr(out.data, '\x1b', out.len) != NULL);
		(void)output_end(&o, &out, &e);
		buf_release(&out);
		output_release(&o);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct module *m = module_find("file");
	struct answer a;
	unsigned int status;

	if (len < 1)
		return 0;
	status = 1 + data[0] % 5;
	answer_init(&a, "aa", "host\x1b[2J", RESULT_DONE);
	BUG_ON(strchr(a.name, '\x1b') != NULL);
	answer_add(&a, m, status, data + 1, len - 1);
	/* found and failed are told apart; a reason is printable */
	BUG_ON(memchr(a.why, 0, sizeof(a.why)) == NULL);
	BUG_ON(strpbrk(a.why, "\x1b\n\r") != NULL);
	BUG_ON((a.failed || a.partial) && a.why[0] == '\0');
	show(&a);
	answer_release(&a);
	return 0;
}
