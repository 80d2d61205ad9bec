/* SPDX-License-Identifier: MPL-2.0 */
/* Parameters of every module: the first byte chooses it, and whether the rest
 * is their JSON or a command line, "flag=value" a line. The check says the same
 * when nobody wants its reason, and what passes it has its paths. */
#include "base/buf.h"
#include "base/err.h"
#include "json/json.h"
#include "modules/module.h"

#include <string.h>

#define FLAGS_MAX 32
#define BYTES_MAX 65536
#define COMMAND_LINE 0x80

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct module *m, const json_t *params)
{
	json_t *paths;
	struct err e;
	int rc;

	err_clear(&e);
	rc = m->check(params, &e);
	BUG_ON(rc != 0 && e.msg[0] == '\0');
	BUG_ON((m->check(params, NULL) != 0) != (rc != 0));
	if (rc != 0 || m->paths == NULL)
		return;
	paths = m->paths(params);
	BUG_ON(!json_is_array(paths));
	json_decref(paths);
}

static json_t *
from_command_line(const struct module *m, char *text)
{
	const char *flag[FLAGS_MAX], *value[FLAGS_MAX];
	struct module_flags f = { .flag = flag, .value = value };
	char *line, *save = NULL, *equals;
	json_t *params;
	struct err e;

	for (line = strtok_r(text, "\n", &save);
	     line != NULL && f.n < FLAGS_MAX;
	     line = strtok_r(NULL, "\n", &save)) {
		equals = strchr(line, '=');
		if (equals != NULL)
			*equals++ = '\0';
		flag[f.n] = line;
		value[f.n++] = equals;
	}
	err_clear(&e);
	params = m->from_flags(&f, &e);
	BUG_ON(params == NULL && e.msg[0] == '\0');
	return params;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n;
	const struct module *const *all = module_all(&n), *m;
	static char text[BYTES_MAX + 1];
	json_t *params;

	if (size == 0 || size > BYTES_MAX)
		return 0;
	m = all[(data[0] & ~COMMAND_LINE) % n];
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	params = (data[0] & COMMAND_LINE) != 0
	    ? from_command_line(m, text)
	    : json_strict(text, size - 1, BYTES_MAX, NULL);
	if (params != NULL)
		check(m, params);
	json_decref(params);
	return 0;
}
