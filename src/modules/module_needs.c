/* SPDX-License-Identifier: MPL-2.0 */
/* Rights and names of modules by number, for programs without JSON. */
#include "modules/module.h"

uint32_t
module_needs(unsigned int number)
{
	switch (number) {
#define MODULE(num, name, needs) \
	case (num):              \
		return (needs);
#include "modules/modules.def"
#undef MODULE
	default:
		return 0;
	}
}

const char *
module_name(unsigned int number)
{
	switch (number) {
#define MODULE(num, name, needs) \
	case (num):              \
		return #name;
#include "modules/modules.def"
#undef MODULE
	default:
		return NULL;
	}
}
