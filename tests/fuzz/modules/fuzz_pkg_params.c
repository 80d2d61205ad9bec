/* SPDX-License-Identifier: MPL-2.0 */
/* The pkg module's check of parameters, and its printers on any JSON. */
#include "base/buf.h"
#include "json/json.h"
#include "modules/module.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct module *m = module_find("pkg");
	json_t *v = json_strict(data, size, 1024 * 1024, NULL);
	struct buf out;

	if (v == NULL)
		return 0;
	buf_init(&out, 1024 * 1024);
	m->check(v, NULL);
	m->print(v, "x ", SHOW_ALL, &out, NULL);
	m->csv(v, "x,", &out, NULL);
	buf_release(&out);
	json_decref(v);
	return 0;
}
