/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Every module with foreign JSON: the first byte chooses the module, the rest
 * is taken for its parameters (check, and what is made of flags) and for an
 * answer of it (printer in all three ways, CSV, mask).
 */
#include "base/err.h"
#include "json/json.h"
#include "modules/module.h"

#include <stdint.h>
#include <stdlib.h>

#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
show(const struct module *m, const json_t *answer)
{
	struct buf out;
	struct err e;
	int how;

	buf_init(&out, 1024 * 1024);
	for (how = SHOW_FOUND; how <= SHOW_ALL; how++)
		(void)m->print(answer, "> ", (enum print_show)how, &out, &e);
	if (m->csv != NULL)
		(void)m->csv(answer, "a,b,", &out, &e);
	buf_release(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct module *const *all;
	struct err e;
	json_t *v;
	size_t n;

	if (size < 2)
		return 0;
	all = module_all(&n);
	err_clear(&e);
	v = json_strict(data + 1, size - 1, INPUT_MAX, &e);
	if (v == NULL)
		return 0;
	if (all[data[0] % n]->check(v, &e) != 0 && e.msg[0] == '\0')
		abort(); /* a refusal without a word */
	show(all[data[0] % n], v);
	if (all[data[0] % n]->mask != NULL && all[data[0] % n]->mask(v) == 0)
		show(all[data[0] % n], v);
	json_decref(v);
	return 0;
}
