/* SPDX-License-Identifier: MPL-2.0 */
#include "action/document.h"
#include "modules/agent/wish.h"
#include "modules/module.h"

size_t
action_wish(
    const struct action *a, struct agent_wish *ret, size_t *ret_operation)
{
	struct agent_wish w;
	size_t i, n = 0;

	for (i = 0; i < a->noperations; i++) {
		if (a->operations[i].module_number != MODULE_agent)
			continue;
		agent_wish(a->operations[i].parameters, &w);
		if (w.pid == 0 || n++ > 0)
			continue;
		*ret = w;
		*ret_operation = i;
	}
	return n;
}
