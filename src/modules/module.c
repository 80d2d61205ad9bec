/* SPDX-License-Identifier: MPL-2.0 */
/* The list of modules, from modules.def. */
#include "modules/module.h"

#include <string.h>

#define MODULE(number, name, needs) extern const struct module module_##name;
#include "modules/modules.def"
#undef MODULE

static const struct module *const modules[] = {
#define MODULE(number, name, needs) &module_##name,
#include "modules/modules.def"
#undef MODULE
};

const struct module *
module_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		if (strcmp(modules[i]->name, name) == 0)
			return modules[i];
	}
	return NULL;
}

const struct module *
module_by_number(unsigned int number)
{
	size_t i;

	for (i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		if (modules[i]->number == number)
			return modules[i];
	}
	return NULL;
}

const struct module *const *
module_all(size_t *ret_n)
{
	*ret_n = sizeof(modules) / sizeof(modules[0]);
	return modules;
}

bool
param_takes_value(const struct param *p)
{
	return p->type == PARAM_STR || p->type == PARAM_ONE ||
	    p->type == PARAM_NUM;
}

bool
module_is_ordinary(const struct module *m, const char *reason)
{
	size_t i;

	for (i = 0; m->ordinary != NULL && m->ordinary[i] != NULL; i++) {
		if (strcmp(m->ordinary[i], reason) == 0)
			return true;
	}
	return false;
}
